"""Limits and refusals, the settings that make them, /queue and /cancel, with the real bot."""

import re
import time

import pytest
from simcord import SetupError

from bot.sandbox.members import Member
from tests.acceptance.stage import PATIENCE, SOURCE, Stage, gallery, job_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

HALF = {"count": 2, "steps": 50}
"""Costs a little more than half a megapixel-row with the tiny model."""


async def queue(stage: Stage, who: Member) -> str:
    return await stage.told(await who.slash("studio", "queue"))


async def test_the_members_budget_is_refused_with_a_moment(stage: Stage) -> None:
    async with stage.rules(member_budget=1.0):
        asked = time.time()
        await stage.card("jun", **HALF)
        text = await stage.told(await stage.ask("jun", **HALF))
        assert re.match(
            r"You have used 0\.\d of 1\.0 in the last 60 minutes and this costs 0\.\d; "
            r"there is room for it again <t:\d+:R>\.$",
            text,
        )
        match = re.search(r"<t:(\d+):R>", text)
        assert match is not None
        assert asked + 3590 < int(match[1]) < time.time() + 3610
        # It is jun's budget and nobody else's.
        await stage.card("iris", **HALF)
        more = await stage.told(await stage.ask("iris", count=4, steps=50))
        assert "more than your whole budget of 1.0 in 60 minutes" in more
        assert more.endswith("with count 3 it would fit.")


async def test_the_servers_budget_counts_everybody(stage: Stage) -> None:
    for who in ("ada", "iris"):
        await stage.card(who, **HALF)
    async with stage.rules(guild_budget=1.0):
        text = await stage.told(await stage.ask("mo", **HALF))
        assert text.startswith("This server has used ")
        assert re.search(r"<t:\d+:R>", text)


async def test_what_was_cancelled_is_given_back(stage: Stage) -> None:
    mo = stage.member("mo")
    async with stage.rules(member_budget=1.0):
        for _ in range(3):
            with stage.bot.frozen():
                asked = await stage.ask("mo", **HALF)
                waits = await asked.wait_for(lambda post: post.buttons)
                await mo.press(waits, emoji="✖️")
                await asked.wait_for(lambda post: "Cancelled" in post.text)
            await stage.delivered(waits, status="cancelled", charged=0.0)


async def test_queues_are_capped(stage: Stage) -> None:
    async with stage.rules(member_queue=2):
        with stage.bot.frozen():
            asked = [await stage.ask() for _ in range(2)]
            for one in asked:
                await one.wait_for(lambda post: post.buttons)
            text = await stage.told(await stage.ask())
            assert text == (
                "You have 2 jobs waiting or running here and 2 are allowed; "
                "wait for one to finish, or /cancel one."
            )
            async with stage.rules(guild_queue=2):
                text = await stage.told(await stage.ask("iris"))
                assert text.startswith("This server has 2 jobs waiting or running and 2 are")
        for one in asked:
            await gallery(one)


async def test_the_bot_keeps_to_its_channels(stage: Stage) -> None:
    card = await stage.card()
    allowed = stage.sandbox.world.channel("gallery")
    async with stage.rules(allow_channel=allowed):
        sentence = f"Pictures are not made in this channel; use <#{allowed.id}>."
        assert await stage.told(await stage.ask()) == sentence
        assert await stage.told(await stage.member("ada").press(card, emoji="🎲")) == sentence
        await stage.card(channel="gallery")
    await gallery(await stage.member("ada").press(card, emoji="🎲"))


async def test_ranges_and_defaults_are_the_servers(stage: Stage) -> None:
    async with stage.rules(max_strength=0.8, max_steps=10, default_steps=10, max_count=2):
        for options, sentence in (
            ({"strength": 0.9}, "nearest allowed value is 0.8."),
            ({"steps": 11}, "nearest allowed value is 10."),
            ({"count": 3}, "nearest allowed value is 2."),
        ):
            asked = await stage.ask(**options)
            assert sentence in await stage.told(asked)
            assert asked.kind == "message"  # nothing was ever shown to the others
    async with stage.rules(default_strength=0.4, default_steps=7, default_count=2):
        ada = stage.member("ada")
        asked = await ada.slash("studio", "reimagine", image=SOURCE, prompt="ink")
        recipe = stage.row(await gallery(asked))["recipe"]
        assert (recipe["strength"], recipe["steps"], recipe["count"]) == (0.4, 7, 2)


async def test_settings_are_for_who_manages_the_server(stage: Stage) -> None:
    for who, guild, channel, may in (
        ("ada", "atelier", "studio", True),
        ("mo", "atelier", "studio", False),
        ("iris", "atelier", "studio", False),
        ("ada", "salon", "atrium", True),
        ("jun", "salon", "atrium", False),
    ):
        member = stage.member(who, guild)
        assert ("palimpsest settings" in member.commands(channel)) is may
        if not may:
            with pytest.raises(SetupError):
                await member.slash(channel, "palimpsest settings", max_steps=10)


async def test_settings_are_shown_changed_and_checked(stage: Stage) -> None:
    text = await stage.settings()
    assert "0 to 1, default 0.6" in text
    assert "everywhere" in text
    async with stage.rules(min_strength=0.2, max_strength=0.7, window_minutes=30):
        text = await stage.settings()
        assert "0.2 to 0.7, default 0.6" in text
        assert "in 30 minutes" in text
        text = await stage.settings(default_strength=0.8)
        assert "must be from 0.2 to 0.7; the nearest allowed value is 0.7." in text
        # Each server has its own.
        steward = stage.member("ada", "salon")
        elsewhere = await stage.told(await steward.slash("atrium", "palimpsest settings"))
        assert "0 to 1, default 0.6" in elsewhere
    studio = stage.sandbox.world.channel("studio")
    assert "not in the list" in await stage.settings(remove_channel=studio)


async def test_the_queue_shows_what_is_done_and_what_waits(stage: Stage) -> None:
    jun = stage.member("jun")
    assert "Nothing waits here." in await queue(stage, jun)
    with stage.bot.frozen():
        asked = await stage.crowd()
        text = await queue(stage, jun)
        assert text.count("is being painted") == len(asked) - 1
        assert text.count("is number 1 in line") == 1
        assert f"<@{stage.member('ada').id}>" in text
        assert "@here" not in text
        elsewhere = stage.member("jun", "salon")
        away = await stage.told(await elsewhere.slash("atrium", "queue"))
        assert "Nothing waits here." in away
    for one in asked:
        await gallery(one)


async def test_cancel_names_only_ones_own(stage: Stage) -> None:
    ada, jun = stage.member("ada"), stage.member("jun")
    with stage.bot.frozen():
        asked = await stage.ask(prompt="mine")
        number = job_id(await asked.wait_for(lambda post: post.buttons))
        (offered,) = await ada.autocomplete("studio", "cancel", "job", "")
        assert offered == {"name": f"#{number} · mine", "value": number}
        assert await jun.autocomplete("studio", "cancel", "job", "") == []
        refused = await stage.told(await jun.slash("studio", "cancel", job=number))
        assert "can cancel it" in refused
        away = await stage.member("iris", "salon").slash("atrium", "cancel", job=number)
        assert await stage.told(away) == f"There is no job #{number} on this server."
        done = await stage.told(await ada.slash("studio", "cancel", job=number))
        assert done == f"Job #{number} is cancelled."
        await asked.wait_for(lambda post: "Cancelled" in post.text, PATIENCE)
    nothing = await stage.told(await ada.slash("studio", "cancel", job=999_999))
    assert "not in the log" in nothing
