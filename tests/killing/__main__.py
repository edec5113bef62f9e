"""``python -m tests.killing``: kills the bot and the engine at every point; prints a table."""

import argparse
import asyncio
import logging
import re
import sys
import tempfile
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from tests.killing.harness import PAINTER, Chain, Outcome
from tests.killing.points import POINTS
from tests.killing.trial import Trial

HEAD = (
    "| point | killed after s | jobs acknowledged | delivered once | twice | lost | seconds |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


async def main() -> int:
    """The process's exit status: 1 where anything was lost, doubled or left behind."""
    options = _parser().parse_args()
    # Who serves a client that is killed in the middle of a request says so at length.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    chosen = [one for one in POINTS if options.only is None or options.only in one.label]
    chosen = chosen[: options.points]
    with tempfile.TemporaryDirectory(prefix="killing-model-") as folder:
        model, engine = _model(Path(folder), real=options.real)
        print(HEAD, flush=True)
        waiting, opening = iter(chosen), asyncio.Lock()
        chains = (
            _chain(waiting, model, engine, opening, options.logs) for _ in range(options.chains)
        )
        outcomes = [one for part in await asyncio.gather(*chains) for one in part]
    wrong = [one for one in outcomes if one.verdict.faults]
    promised = sum(one.verdict.acknowledged for one in outcomes)
    once = sum(one.verdict.once for one in outcomes)
    print(f"\n{len(outcomes)} points, {promised} jobs acknowledged, {once} delivered once.")
    for one in wrong:
        print(f"\nWRONG: {one.trial.label}")
        print("\n".join(f"  - {fault}" for fault in one.verdict.faults))
    return bool(wrong)


async def _chain(
    waiting: Iterable[Trial], model: Path, engine: str, opening: asyncio.Lock, logs: Path | None
) -> list[Outcome]:
    """Takes trials until none waits; what went wrong once is not gone on from."""
    outcomes: list[Outcome] = []
    while True:
        async with AsyncExitStack() as stack:
            async with opening:
                chain = await stack.enter_async_context(Chain.open(model=model, engine=engine))
            for trial in waiting:
                outcome = await chain.run(trial)
                outcomes.append(outcome)
                print(_line(outcome), flush=True)
                if outcome.verdict.faults:
                    _keep(outcome, logs)
                    break
            else:
                return outcomes


def _keep(outcome: Outcome, logs: Path | None) -> None:
    if logs is not None:
        name = re.sub(r"\W+", "-", outcome.trial.label)
        (logs / f"{name}.log").write_text(outcome.log)


def _line(one: Outcome) -> str:
    killed = "–" if one.killed is None else f"{one.killed:.2f}"
    found = one.verdict
    mark = " ✗" if found.faults else ""
    return (
        f"| {one.trial.label}{mark} | {killed} | {found.acknowledged} | {found.once} "
        f"| {found.twice} | {found.lost} | {one.seconds:.1f} |"
    )


def _model(folder: Path, *, real: bool) -> tuple[Path, str]:
    if real:
        from tests.tiny import sd

        return sd(folder / "tiny"), ""
    from tests.model_folders import write_model

    return write_model(folder / "tiny"), PAINTER


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.killing")
    parser.add_argument("--points", type=int, help="only so many points")
    parser.add_argument("--only", metavar="LABEL", help="only points whose label contains this")
    parser.add_argument("--chains", type=int, default=2, help="trials at once (2)")
    parser.add_argument(
        "--logs", type=Path, metavar="FOLDER", help="keeps what the bots wrote where one was wrong"
    )
    parser.add_argument(
        "--real", action="store_true", help="a diffusion model and the product's engine"
    )
    return parser


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
