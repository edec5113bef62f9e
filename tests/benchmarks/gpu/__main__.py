"""`python -m tests.benchmarks.gpu`: the benchmark with models of the real sizes, on a GPU.

No network is needed: the weights are Gaussian noise in bf16, written to a folder (`--folder`,
by default a temporary one; SDXL's takes 7 GB) and read by every arm. All of it takes about an
hour; `--kinds`, `--rounds 0` (no images a second) and `--backlog 0` (no traces) cut it into parts.
`--tiny` runs the same code on any machine within a minute.
"""

import argparse
import statistics
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from inference.families.load import find_device
from tests.benchmarks.engine.aims import Aim, aims_table, at_least
from tests.benchmarks.engine.bench import A, B, D, E, Findings, measure
from tests.benchmarks.engine.plan import Plan
from tests.benchmarks.engine.report import gains, sections, traffic_aims
from tests.benchmarks.engine.table import number
from tests.benchmarks.gpu.folders import write_folder
from tests.benchmarks.gpu.kinds import KINDS, Kind, tiny
from tests.benchmarks.gpu.work import count, matrix_rate

_SPEED = {"sd15": 12.0, "turbo": 94.0}
"""Images a second that are aimed at."""


def main(arguments: list[str] | None = None) -> int:
    """Prints a section for each kind of model."""
    options = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", message="__array__ implementation")
    device = find_device("cpu" if options.tiny else options.device)
    rate = matrix_rate(device, 256 if options.tiny else 8192)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    parts = [f"{name}: {number(rate)} TFLOP/s in a bf16 matrix product of this run."]
    for key in options.kinds.split(","):
        kind = tiny(KINDS[key]) if options.tiny else KINDS[key]
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            model = write_folder(Path(folder) / key, kind, device)
            parts += _section(key, kind, _plan(options, kind, model, device), rate)
    text = "\n\n".join(parts)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu")
    parser.add_argument("--kinds", default=",".join(KINDS), help="(default: %(default)s)")
    parser.add_argument("--jobs", type=int, help="of a backlog, for images a second")
    parser.add_argument("--rounds", type=int, help="of such backlogs; 0: none")
    parser.add_argument("--alone", type=int, default=9, help="rounds of single jobs; 0: none")
    parser.add_argument("--backlog", type=int, help="jobs of the mixed backlog; 0: no traces")
    parser.add_argument("--arrivals", type=int, default=100, help="jobs of each Poisson trace")
    parser.add_argument("--limit", type=int, default=16, help="jobs of a static batch")
    parser.add_argument("--no-compile", action="store_true", help="do not try (b)")
    parser.add_argument("--folder", help="where the models are written, e.g. /dev/shm")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny models, on the CPU")
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    return parser


def _plan(options: argparse.Namespace, kind: Kind, model: Path, device: torch.device) -> Plan:
    plan = Plan(
        folder=model,
        device=str(device),
        mix=kind.mix,
        traffic=kind.traffic,
        jobs=kind.jobs if options.jobs is None else options.jobs,
        rounds=kind.rounds if options.rounds is None else options.rounds,
        alone=options.alone,
        backlog=kind.backlog if options.backlog is None else options.backlog,
        arrivals=options.arrivals,
        limit=options.limit,
        compiled=not options.no_compile,
    )
    if not options.tiny:
        return plan
    return replace(plan, alone=1, arrivals=2, tries=1, limit=2, compiled=False, processes=False)


def _section(key: str, kind: Kind, plan: Plan, rate: float) -> list[str]:
    work = count(kind)
    found = measure(plan)
    each = work.picture(kind.mix)
    speeds = {
        name: sum(len(run.jobs) for run in runs) / sum(run.seconds for run in runs)
        for name, runs in found.speed.items()
    }
    extra = {
        "TFLOP/s": {name: number(each * speed) for name, speed in speeds.items()},
        "of the matrix product": {name: f"{each * s / rate:.0%}" for name, s in speeds.items()},
    }
    return [
        f"### {kind.title}",
        f"A row of a forward pass is {number(work.row)} TFLOP, an encode {number(work.encode)}, a "
        f"decode {number(work.decode)}, a picture of the first table {number(each)}; TFLOP/s "
        "counts what pictures need, not what padding adds.",
        *sections(plan, found, extra),
        "**Aims**",
        aims_table(_aims(key, found, speeds)),
    ]


def _aims(key: str, found: Findings, speeds: dict[str, float]) -> list[Aim]:
    aims = []
    if speeds:
        if key in _SPEED:
            aims.append(at_least("images/s of (d)", speeds[D], _SPEED[key]))
        base = B if B in found.speed else A
        gain = statistics.median(gains(found.speed, D, base))
        aims.append(at_least("images/s of (d): × (b)", gain, 1.4))
        kept = statistics.median(gains(found.speed, E, D))
        aims.append(at_least("images/s of (e), strict: of (d)'s", kept, 0.85))
    return [*aims, *traffic_aims(found)]


if __name__ == "__main__":
    sys.exit(main())
