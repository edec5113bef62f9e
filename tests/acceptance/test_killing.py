"""A few of the points at which `python -m tests.killing` kills the bot and the engine: every
acknowledged job is delivered exactly once all the same."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.killing.harness import Chain
from tests.killing.points import POINTS, trial
from tests.model_folders import write_model

SAMPLE = (
    "recorded: row, not acknowledged",
    "painted: progress of several",
    "expired: post answered, long down",
    "engine: fifth progress",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    model: Path = write_model(tmp_path_factory.mktemp("models") / "tiny")
    async with Chain.open(model=model) as chain:
        yield chain


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("label", SAMPLE)
async def test_nothing_acknowledged_is_lost_or_doubled(chain: Chain, label: str) -> None:
    outcome = await chain.run(trial(label))
    assert outcome.killed is not None
    assert not outcome.verdict.faults
    assert outcome.verdict.once == outcome.verdict.acknowledged > 0


def test_there_are_enough_points_and_each_has_a_name_of_its_own() -> None:
    assert len(POINTS) >= 40
    assert len({point.label for point in POINTS}) == len(POINTS)
