"""Asking for a picture with /reimagine, over real sockets."""

import re
from typing import Any

import pytest
from discord import AppCommandOptionType, app_commands
from input_studio import (
    Studio,
    ask,
    card_of,
    ended,
    everything,
    gallery,
    here,
    job_id,
    set_policy,
    told,
)

from bot.model import DeliveryState, JobStatus, OriginKind

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_picture_and_a_prompt_come_back_as_a_card(here: Studio) -> None:
    asked = await ask(here, strength=0.35, negative_prompt="fog", steps=8, guidance=4, seed=7)
    await asked.ack()
    assert asked.kind == "deferred"
    card = await gallery(asked)
    assert not card.ephemeral
    job = await here.service.get(job_id(card))
    recipe = job.recipe
    assert (recipe.strength, recipe.steps, recipe.guidance, recipe.seed) == (0.35, 8, 4, 7)
    assert (recipe.prompt, recipe.negative_prompt, recipe.model) == ("ink wash", "fog", "pocket")
    assert (job.origin.kind, job.message_id) == (OriginKind.COMMAND, card.id)
    assert job.origin.upload_limit == 10 * 1024 * 1024


async def test_what_is_not_given_comes_from_the_guilds_policy(here: Studio) -> None:
    await set_policy(here, default_strength=0.4, default_steps=7, default_count=2)
    recipe = (await here.service.get(job_id(await card_of(here)))).recipe
    assert (recipe.strength, recipe.steps, recipe.count) == (0.4, 7, 2)


async def test_bands_models_and_own_jobs_are_offered(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    bands = await ada.autocomplete("studio", "reimagine", "strength", "")
    assert [(one["name"], one["value"]) for one in bands] == [
        ("subtle (0.35)", 0.35),
        ("balanced (0.6)", 0.6),
        ("bold (0.75)", 0.75),
    ]
    models = await ada.autocomplete("studio", "reimagine", "model", "pock")
    assert [one["value"] for one in models] == ["pocket", "pocket-edit"]
    here.painter.pause()
    running = await ask(here, prompt="mine")
    await running.wait_for(lambda post: "mine" in post.text)
    offered = await ada.autocomplete("studio", "cancel", "job", "")
    assert [one["name"].partition(" · ")[2] for one in offered] == ["mine"]
    assert await here.sandbox.member("jun").autocomplete("studio", "cancel", "job", "") == []
    here.painter.resume()
    await gallery(running)


async def test_no_text_can_be_typed_that_is_longer_than_an_answer(here: Studio) -> None:
    texts = [
        option
        for command in here.client.tree.walk_commands()
        if isinstance(command, app_commands.Command)
        for option in command.parameters
        if option.type is AppCommandOptionType.string and not option.choices
    ]
    assert {"model", "preset", "prompt"} <= {option.name for option in texts}
    assert [option.name for option in texts if option.max_value is None] == []


async def test_refusals_before_a_row_are_private_and_immediate(here: Studio) -> None:
    await set_policy(here, max_strength=0.8, max_steps=10, default_steps=10)
    before = len(here.painter.requests)
    for options, sentence in (
        ({"strength": 0.9}, "nearest allowed value is 0.8"),
        ({"steps": 20}, "nearest allowed value is 10"),
        ({"model": "pockets"}, "no model “pockets”; the nearest is pocket"),
    ):
        asked = await ask(here, **options)
        assert sentence in await told(here, asked)
        assert asked.kind != "deferred"
    assert len(here.painter.requests) == before


async def test_other_channels_than_the_allowed_are_refused(here: Studio) -> None:
    await set_policy(here, channels=(here.sandbox.world.channel("gallery").id,))
    assert "not made in this channel" in await told(here, await ask(here))


async def test_a_file_that_is_no_picture_leaves_nothing_in_the_channel(here: Studio) -> None:
    asked = await ask(here, image=("page.png", b"<html>not a picture</html>" * 50))
    await asked.ack()
    text = await told(here, asked)
    assert text.endswith(".")
    assert "reference" not in text.lower()
    job = await ended(here, text)
    assert (job.status, job.delivery) == (JobStatus.FAILED, DeliveryState.DELIVERED)


async def test_a_used_up_budget_is_told_privately_with_a_time(here: Studio) -> None:
    await set_policy(here, member_budget=0.1)
    text = await told(here, await ask(here, "jun", count=1))
    assert "budget" in text
    job = await ended(here, text)
    assert (job.status, job.delivery) == (JobStatus.REFUSED, DeliveryState.DELIVERED)


async def test_over_the_queues_limit_no_picture_is_looked_at(here: Studio) -> None:
    await set_policy(here, member_queue=1)
    here.sandbox.weather.stall_attachment()
    first = await ask(here)
    await first.ack()
    assert [job.status for job in await here.service.received()] == [JobStatus.RECEIVED]
    refused = await ask(here, image=("page.png", b"<html>not a picture</html>" * 50))
    assert await told(here, refused) == (
        "You have 1 job waiting or running here and 1 are allowed; "
        "wait for one to finish, or /cancel one."
    )
    assert refused.kind == "message"  # nothing was ever shown to the others
    here.sandbox.weather.clear()
    await gallery(first)


async def test_a_prompt_cannot_mention_anybody(here: Studio) -> None:
    card = await card_of(here, prompt="@everyone <@1> **bold** `x` # no")
    assert "@everyone" not in card.text
    bodies = [one.json for one in here.sandbox.requests if isinstance(one.json, dict)]
    allowed = [one["allowed_mentions"] for one in bodies if "allowed_mentions" in one]
    assert allowed
    assert all(one.get("parse") == [] for one in allowed)


async def test_an_unexpected_failure_is_a_reference_and_the_row_ends(
    here: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_args: Any, **_more: Any) -> str:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(here.images, "put", broken)
    text = await told(here, await ask(here))
    match = re.search(r"`([0-9a-f]{8})`", text)
    assert match is not None
    assert "secret" not in text
    assert any(match[1] in record.getMessage() for record in caplog.records)
    assert (await ended(here, text)).status is JobStatus.FAILED


async def test_a_slow_database_does_not_cost_the_acknowledgement(
    here: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_ui.acknowledge.PATIENCE", 0.05)
    asked = None
    async with here.database.write():
        asked = await ask(here)
        await asked.ack()
    card = await gallery(asked)
    assert (await here.service.get(job_id(card))).message_id == card.id


async def test_a_replayed_interaction_is_not_a_second_job(here: Studio) -> None:
    card = await card_of(here)
    job = await here.service.get(job_id(card))
    again, created = await here.service.receive(recipe=job.recipe, origin=job.origin)
    assert (again.id, created) == (job.id, False)
