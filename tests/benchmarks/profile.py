"""Where a forward pass of the UNet spends its time, before and after what was done about it.

`python -m tests.benchmarks.profile` runs the benchmark's random UNet of 11 M parameters at 32×32
latents in several ways, which take turns, and prints milliseconds a row as medians of the rounds,
and what the operators take of them by torch's profiler. Takes about a minute on two CPU cores.
"""

import argparse
import copy
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from inference.families.packed import pack
from inference.families.quiet import quiet
from tests import tiny

ROOM = 2**40
SIDE = 32
WORDS = 77

GROUPS = {
    "convolutions": ("convolution", "conv2d"),
    "linear layers": ("addmm", "linear", "mm", "matmul"),
    "attention": ("scaled_dot_product", "attention", "softmax"),
    "norms": ("group_norm", "layer_norm"),
    "copies": ("copy_", "cat", "clone", "contiguous", "_to_copy", "reorder", "upsample"),
}
"""Parts of operators' names, the first group that fits counts; the rest is “other”."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to run a pass. run: does it once. rows: of it."""

    name: str
    rows: int
    run: Callable[[], Any]


def ways(unet: Any) -> list[Way]:
    """The ways from what diffusers does to what fast mode does, each with one thing more."""
    plain = unet
    laid = copy.deepcopy(unet).to(memory_format=torch.channels_last)
    packed = copy.deepcopy(laid)
    pack(packed, room=ROOM)
    half = copy.deepcopy(laid).to(torch.bfloat16)
    packed_half = copy.deepcopy(half)
    pack(packed_half, room=ROOM)
    return [
        Way(name="fp32 as diffusers runs it, 2 rows", rows=2, run=_pass(plain, 2, laid=False)),
        Way(name="+ channels_last", rows=2, run=_pass(laid, 2)),
        Way(name="+ packed weights (strict mode)", rows=2, run=_pass(packed, 2)),
        Way(name="the same, 8 rows", rows=8, run=_pass(packed, 8)),
        Way(name="bf16, channels_last, 2 rows", rows=2, run=_pass(half, 2)),
        Way(name="+ packed weights", rows=2, run=_pass(packed_half, 2)),
        Way(name="+ 8 rows (fast mode)", rows=8, run=_pass(packed_half, 8)),
    ]


def compiled(unet: Any) -> Way:
    """What torch's compiler makes of it."""
    network = torch.compile(copy.deepcopy(unet), fullgraph=True, dynamic=False)
    return Way(name="fp32, compiled, 2 rows", rows=2, run=_pass(network, 2, laid=False))


def _pass(unet: Any, rows: int, *, laid: bool = True) -> Callable[[], Any]:
    generator = torch.Generator().manual_seed(0)
    config, dtype = unet.config, unet.dtype
    form = torch.channels_last if laid else torch.contiguous_format
    shape = (rows, config.in_channels, SIDE, SIDE)
    sample = torch.randn(shape, generator=generator).to(dtype, memory_format=form)
    words = torch.randn(rows, WORDS, config.cross_attention_dim, generator=generator).to(dtype)
    steps = torch.full((rows,), 500.0)

    @torch.inference_mode()
    def run() -> Tensor:
        result: Tensor = unet(sample, steps, encoder_hidden_states=words, return_dict=False)[0]
        return result

    return run


def timed(some: Sequence[Way], rounds: int) -> list[list[float]]:
    """Milliseconds a row of each way in each round, the order reversed from round to round."""
    found: list[list[float]] = [[] for _ in some]
    for way in some:
        way.run()
    for turn in range(rounds):
        order = range(len(some)) if turn % 2 else reversed(range(len(some)))
        for index in order:
            begun = time.perf_counter()
            some[index].run()
            found[index].append(1000 * (time.perf_counter() - begun) / some[index].rows)
    return found


def shares(way: Way) -> dict[str, float]:
    """Of the time in operators, by GROUPS and “other”."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        way.run()
    spent = dict.fromkeys((*GROUPS, "other"), 0.0)
    for event in seen.key_averages():
        spent[_group(event.key)] += event.self_cpu_time_total
    total = sum(spent.values())
    return {name: time / total for name, time in spent.items()}


def _group(operator: str) -> str:
    for name, parts in GROUPS.items():
        if any(part in operator for part in parts):
            return name
    return "other"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one table, in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profile")
    parser.add_argument("--channels", default="64,128,192", help="of the UNet's levels")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args(arguments)
    channels = tuple(map(int, options.channels.split(",")))
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with tempfile.TemporaryDirectory() as folder, quiet():
        tiny.sd(Path(folder) / "model", channels=channels)
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained(Path(folder) / "model" / "unet")
    unet.eval().requires_grad_(False)
    some = ways(unet) + ([] if options.no_compile else [compiled(unet)])
    times = timed(some, options.rounds)
    names = (*GROUPS, "other")
    print("| | ms a row | × the first |" + "".join(f" {name} |" for name in names))
    print("| --- | ---: | ---: |" + " ---: |" * len(names))
    for way, own in zip(some, times, strict=True):
        faster = statistics.median(a / b for a, b in zip(times[0], own, strict=True))
        parts = "".join(f" {share:.0%} |" for share in shares(way).values())
        print(f"| {way.name} | {statistics.median(own):.1f} | {faster:.2f} |{parts}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
