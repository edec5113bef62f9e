"""Which buttons are left out: those that the model of the result could only refuse."""

import dataclasses
from pathlib import Path

import pytest

from bot.discord_ui.buttons import Action
from bot.discord_ui.next_steps import next_steps
from bot.discord_ui.onward import Onward
from bot.model import GuildPolicy, Job
from inference.catalog import Catalog
from inference.request import Recipe
from tests.model_folders import write_model
from tests.unit.discord_ui.job_rows import job

POLICY = GuildPolicy(guild_id=1)
STEPS, ALONE, EDITOR, GAN = (
    "StableDiffusionPipeline",
    "ZImagePipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "Pix2Pix",
)


def made(**recipe: object) -> Job:
    values = {"prompt": "x", "model": "one"} | recipe
    return dataclasses.replace(job(7, 3, "x"), source="s" * 64, recipe=Recipe(**values))


@pytest.mark.parametrize(
    ("kind", "default", "refused"),
    [
        (STEPS, "pocket", set()),
        (ALONE, "pocket", {"variations", "paint"}),
        (GAN, "pocket", {"variations", "ladder"}),
        # Within a mask the usual model goes on from an edited picture, if it can.
        (EDITOR, "pocket", {"variations"}),
        (EDITOR, "alone", {"variations", "paint"}),
    ],
)
def test_a_button_that_could_only_refuse_is_not_offered(
    tmp_path: Path, kind: str, default: str, refused: set[str]
) -> None:
    write_model(tmp_path / "one", kind=kind)
    write_model(tmp_path / "alone", kind=ALONE)
    onward = Onward(catalog=Catalog(tmp_path), default_model=default)
    found = onward.refused(made(), POLICY)
    assert found == refused
    left = [action for row in next_steps(made(), found) for action in row]
    everything = [action for row in next_steps(made()) for action in row]
    assert left == [action for action in everything if action not in refused]


def test_what_is_offered_anyway_is_all_that_is_asked_of(tmp_path: Path) -> None:
    write_model(tmp_path / "one", kind=ALONE)
    onward = Onward(catalog=Catalog(tmp_path), default_model="pocket")
    ladder = made(strengths=(0.2, 1.0), strength=1.0, count=2)
    assert onward.refused(ladder, POLICY) == {Action.PAINT}
    enlarged = made(task="upscale", prompt="")
    assert onward.refused(enlarged, POLICY) == {Action.PAINT}


def test_a_ladder_without_a_step_that_the_server_allows(tmp_path: Path) -> None:
    write_model(tmp_path / "one")
    onward = Onward(catalog=Catalog(tmp_path), default_model="pocket")
    narrow = dataclasses.replace(POLICY, min_strength=0.21, max_strength=0.22)
    assert onward.refused(made(), narrow) == {Action.LADDER}
