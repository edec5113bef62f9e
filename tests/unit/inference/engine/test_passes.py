"""What passes cost, whether they fit, and what is left of those that did not."""

import gc
import json
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from inference.engine.costs import Costs, Pass, Size
from inference.engine.passes import NEGLIGIBLE, Passes, RanOut
from inference.families.base import Modules
from inference.families.model import UNetModel

SIZE = (4, 64, 64)
MIB = 2**20


def network(**config: Any) -> Any:
    return SimpleNamespace(config=SimpleNamespace(**config), dtype=torch.float32)


def costs() -> Costs:
    """Of Stable Diffusion 1.5 in fp32."""
    modules = Modules(
        denoiser=network(block_out_channels=(320, 640)),
        autoencoder=network(block_out_channels=(128, 256)),
        text_encoders=(),
    )
    return Costs(modules, 8)


class Device:
    """Memory of any size. kills: as a CPU's does."""

    def __init__(self, free: int, *, kills: bool = False) -> None:
        self.kills = kills
        self.left = free
        self.taken: int | None = None
        self.released = 0

    def free(self) -> int:
        return self.left

    def watch(self) -> None:
        self.taken = 0

    def peak(self) -> int | None:
        return self.taken

    def release(self) -> None:
        self.released += 1


def test_before_anything_ran_the_cost_is_stated() -> None:
    known = costs()
    for use, rows, low, high in (
        (Pass.DENOISE, 1, 150, 350),
        (Pass.DENOISE, 2, 300, 700),
        (Pass.ENCODE, 1, 500, 1000),
        (Pass.DECODE, 1, 1000, 1500),
    ):
        assert low * MIB < known.forecast(use, rows, SIZE) < high * MIB


def test_other_kinds_of_networks_have_a_width_too() -> None:
    flux = Modules(
        denoiser=network(num_attention_heads=24, attention_head_dim=128),
        autoencoder=network(decoder_block_out_channels=(64, 64)),
        text_encoders=(),
    )
    assert Costs(flux, 8).forecast(Pass.DENOISE, 1, SIZE) == 50 * 768 * 4 * 64 * 64
    assert Costs(flux, 8).forecast(Pass.DECODE, 1, SIZE) == 10 * 64 * 4 * 512 * 512
    unknown = Modules(denoiser=network(), autoencoder=network(), text_encoders=())
    assert Costs(unknown, 8).forecast(Pass.DENOISE, 1, SIZE) > 0


def test_what_ran_costs_what_it_took_and_others_in_proportion() -> None:
    known = costs()
    for peak in (90 * MIB, 100 * MIB, 95 * MIB):
        assert known.wants(Pass.DENOISE, 2, SIZE)
        known.learn(Pass.DENOISE, 2, SIZE, peak)
    assert not known.wants(Pass.DENOISE, 2, SIZE)
    assert known.forecast(Pass.DENOISE, 2, SIZE) == 100 * MIB
    assert known.forecast(Pass.DENOISE, 8, SIZE) == 400 * MIB
    assert known.forecast(Pass.DENOISE, 1, (4, 128, 128)) == 200 * MIB
    known.learn(Pass.DENOISE, 1, (4, 256, 256), 3000 * MIB)
    assert known.forecast(Pass.DENOISE, 1, (4, 256, 128)) == 1500 * MIB  # the most similar one
    assert known.forecast(Pass.DECODE, 1, SIZE) == costs().forecast(Pass.DECODE, 1, SIZE)


def test_passes_are_watched_until_they_are_known() -> None:
    device, known = Device(2**40), costs()
    passes = Passes(device, known)

    def work() -> str:
        device.taken = 7 * MIB
        return "done"

    assert passes.run(Pass.DENOISE, 2, SIZE, work) == "done"
    assert known.forecast(Pass.DENOISE, 2, SIZE) == 7 * MIB


def test_a_device_that_cannot_tell_teaches_nothing() -> None:
    device, known = Device(2**40), costs()
    stated = known.forecast(Pass.DENOISE, 2, SIZE)
    device.watch = lambda: None  # type: ignore[method-assign]
    Passes(device, known).run(Pass.DENOISE, 2, SIZE, lambda: None)
    assert known.forecast(Pass.DENOISE, 2, SIZE) == stated


def fail(error: Exception) -> Any:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: 9 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_whatever_says_that_memory_ran_out_is_understood(error: Exception) -> None:
    device = Device(2**40)
    with pytest.raises(RanOut) as caught:
        Passes(device, costs()).run(Pass.DENOISE, 2, SIZE, fail(error))
    assert device.released == 1
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_any_other_error_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        Passes(Device(2**40), costs()).guard(fail(RuntimeError("shapes do not match")))


def test_nothing_of_a_pass_that_failed_is_kept() -> None:
    left: list[weakref.ref[torch.Tensor]] = []

    def work() -> None:
        working = torch.zeros(3)
        left.append(weakref.ref(working))
        raise torch.OutOfMemoryError("out of memory")

    gc.disable()  # whatever is freed must be freed by itself
    try:
        with pytest.raises(RanOut):
            Passes(Device(2**40), costs()).guard(work)
        assert left[0]() is None
    finally:
        gc.enable()


def test_what_cannot_fit_is_not_even_begun_where_that_would_be_the_end() -> None:
    size: Size = (4, 512, 512)
    begun: list[bool] = []

    def work() -> None:
        begun.append(True)

    deadly = Passes(Device(2**30, kills=True), costs())
    with pytest.raises(RanOut):
        deadly.run(Pass.DENOISE, 1, size, work)
    assert not deadly.possible(Pass.DENOISE, 1, size, work)
    assert deadly.possible(Pass.DENOISE, 1, SIZE, work)
    assert begun == []  # a forecast is enough
    polite = Passes(Device(2**30), costs())
    assert polite.possible(Pass.DENOISE, 1, size, work)
    assert begun == [True]
    assert not polite.possible(Pass.DENOISE, 1, size, fail(MemoryError()))


def test_small_passes_always_fit() -> None:
    known = costs()
    passes = Passes(Device(0, kills=True), known)
    known.learn(Pass.DENOISE, 1, SIZE, NEGLIGIBLE)
    assert passes.fit((Pass.DENOISE, 1, SIZE))
    assert not passes.fit((Pass.DENOISE, 1, SIZE), (Pass.DENOISE, 2, SIZE))
    assert passes.fit()


@pytest.mark.parametrize("use", list(Pass))
def test_the_statement_is_not_far_from_what_a_real_model_takes(
    model: UNetModel, tmp_path: Path, use: Pass
) -> None:
    rows, side = 2, 64
    latents = torch.randn(rows, 4, side, side)
    pictures = [np.zeros((side * 8, side * 8, 3), np.uint8)] * rows

    def work() -> object:
        if use is Pass.ENCODE:
            return model.codec.encode(pictures)
        if use is Pass.DECODE:
            return model.codec.decode(latents)
        tokens = torch.randn(rows, 77, 32)
        return model.unet(latents, torch.ones(rows), encoder_hidden_states=tokens)

    with torch.inference_mode(), torch.profiler.profile(profile_memory=True) as profile:
        work()
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    taken = max(e["args"]["Total Allocated"] for e in events if e["name"] == "[memory]")
    stated = Costs(model.modules, model.codec.factor).forecast(use, rows, (4, side, side))
    assert 1 < stated / taken < 5  # tensors alone are counted, and deeper models have more
