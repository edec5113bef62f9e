"""`python -m tests.benchmarks.engine`: five ways to serve the same jobs, and the aims.

Without options it takes about half an hour on two CPU cores, with a model of 11 M parameters and
random weights: images a second and single jobs at 256², where a step is bound by arithmetic as it
is with the models that people use, and the traces at 96², where it is so only by half, because
they would take hours otherwise. `--full` runs the traces at 256² too, three times.
"""

import argparse
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

from inference.catalog import POCKET
from inference.families.quiet import quiet
from tests import tiny
from tests.benchmarks.engine.aims import aims_table
from tests.benchmarks.engine.bench import measure
from tests.benchmarks.engine.plan import Plan
from tests.benchmarks.engine.report import cpu_aims, sections
from tests.benchmarks.engine.traces import Mix, buckets, turbo


def main(arguments: list[str] | None = None) -> int:
    """Prints the tables."""
    options = _parser().parse_args(arguments)
    warnings.filterwarnings("ignore", message="__array__ implementation")
    with tempfile.TemporaryDirectory() as folder:
        plan = _plan(options, _model(options, Path(folder)))
        found = measure(plan)
        parts = sections(plan, found, {})
    text = "\n\n".join([_title(options), *parts, "**Aims**", aims_table(cpu_aims(found))])
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engine")
    parser.add_argument(
        "--model", default="random", help="random, pocket, or a diffusers folder (default: random)"
    )
    parser.add_argument(
        "--channels",
        default="64,128,192",
        help="of the random unet's levels (default: %(default)s)",
    )
    parser.add_argument("--turbo", action="store_true", help="1 to 4 steps without guidance")
    parser.add_argument("--side", type=int, default=256, help="pixels, for images a second")
    parser.add_argument("--jobs", type=int, default=8, help="of a backlog, for images a second")
    parser.add_argument("--rounds", type=int, default=4, help="of such backlogs")
    parser.add_argument("--alone", type=int, default=9, help="rounds of single jobs")
    parser.add_argument("--traffic-side", type=int, default=96, help="pixels, for the traces")
    parser.add_argument("--backlog", type=int, default=200, help="jobs; 0: no traces")
    parser.add_argument("--arrivals", type=int, default=60, help="jobs of each Poisson trace")
    parser.add_argument("--traffic-rounds", type=int, default=1)
    parser.add_argument("--limit", type=int, default=8, help="jobs of a static batch")
    parser.add_argument("--no-compile", action="store_true", help="do not try (b)")
    parser.add_argument("--one-process", action="store_true", help="memory is not told apart then")
    parser.add_argument("--full", action="store_true", help="traces at --side, 200 jobs, 3 rounds")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    return parser


def _model(options: argparse.Namespace, folder: Path) -> Path:
    if options.model == "pocket":
        return POCKET
    if options.model != "random":
        return Path(options.model).absolute()
    channels = tuple(map(int, options.channels.split(",")))
    with quiet():
        return tiny.sd(folder / "model", channels=channels)


def _plan(options: argparse.Namespace, model: Path) -> Plan:
    def mix(side: int) -> Mix:
        return turbo(buckets(side)) if options.turbo else Mix(sizes=buckets(side))

    plan = Plan(
        folder=model,
        device=options.device,
        mix=mix(options.side),
        traffic=mix(options.side if options.full else options.traffic_side),
        jobs=options.jobs,
        rounds=options.rounds,
        alone=options.alone,
        backlog=options.backlog,
        arrivals=options.arrivals,
        traffic_rounds=options.traffic_rounds,
        limit=options.limit,
        compiled=not options.no_compile,
        processes=not options.one_process,
    )
    return replace(plan, arrivals=200, traffic_rounds=3) if options.full else plan


def _title(options: argparse.Namespace) -> str:
    if options.model == "random":
        return f"Model: random weights, unet channels {options.channels}."
    return f"Model: {Path(options.model).name}."


if __name__ == "__main__":
    sys.exit(main())
