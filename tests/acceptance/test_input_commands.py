"""/cancel, /queue and /palimpsest settings."""

import re
from typing import Any

import pytest
from input_studio import (
    SOURCE,
    Studio,
    ask,
    everything,
    gallery,
    here,
    job_id,
    told,
)

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_cancel_by_command(here: Studio) -> None:
    here.painter.pause()
    ada, jun = here.sandbox.member("ada"), here.sandbox.member("jun")
    asked = await ask(here)
    card = await asked.wait_for(lambda post: post.buttons)
    number = job_id(card)
    assert "can cancel it" in await told(here, await jun.slash("studio", "cancel", job=number))
    elsewhere = here.sandbox.member("iris", "salon")
    away = await elsewhere.slash("atrium", "cancel", job=number)
    assert await told(here, away) == f"There is no job #{number} on this server."
    done = await told(here, await ada.slash("studio", "cancel", job=number))
    assert done == f"Job #{number} is cancelled."
    again = await told(here, await ada.slash("studio", "cancel", job=number))
    assert "cancelled already" in again
    await asked.wait_for(lambda post: "Cancelled" in post.text)


async def test_what_waits_for_its_picture_is_shown_and_can_be_cancelled(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    here.sandbox.weather.stall_attachment()
    asked = await ask(here)
    await asked.ack()
    (offered,) = await ada.autocomplete("studio", "cancel", "job", "")
    number = offered["value"]
    line = await told(here, await ada.slash("studio", "queue"))
    assert f"**#{number}** <@{ada.id}> waits for its picture" in line
    done = await told(here, await ada.slash("studio", "cancel", job=number))
    assert done == f"Job #{number} is cancelled."
    await asked.wait_for(lambda post: "Cancelled" in post.text)
    assert await ada.autocomplete("studio", "cancel", "job", "") == []


async def test_the_queue_shows_what_runs_and_waits_and_what_was_used(here: Studio) -> None:
    jun = here.sandbox.member("jun")
    assert "Nothing waits here." in await told(here, await jun.slash("studio", "queue"))
    here.painter.pause()
    asked = [await ask(here, prompt=f"*job* {number} @here") for number in range(4)]
    for one in asked:
        await one.wait_for(lambda post: post.buttons)
    text = await told(here, await jun.slash("studio", "queue"))
    assert text.count("is being painted") == 2
    assert "is number 1 in line" in text
    assert "is number 2 in line" in text
    assert "@here" not in text
    assert re.search(r"In the last 60 minutes you used \d+ of 1000000, this server \d+", text)
    here.painter.resume()
    for one in asked:
        await gallery(one)


async def test_the_queue_quotes_only_what_who_asks_may_read(here: Studio) -> None:
    ada, jun = here.sandbox.member("ada"), here.sandbox.member("jun")
    here.painter.pause()
    asked = await ada.slash("gallery", "reimagine", image=SOURCE, prompt="a surprise")
    card = await asked.wait_for(lambda post: post.buttons)
    for who, channel, quoted in (
        (jun, "studio", False),
        (jun, "gallery", True),
        (ada, "studio", True),
    ):
        text = await told(here, await who.slash(channel, "queue"))
        assert f"#{job_id(card)}" in text
        assert ("a surprise" in text) is quoted
    here.painter.resume()
    await gallery(asked)


async def test_settings_are_for_who_manages_the_server(here: Studio) -> None:
    ada, iris = here.sandbox.member("ada"), here.sandbox.member("iris")
    assert "palimpsest settings" in ada.commands("studio")
    assert "palimpsest settings" not in iris.commands("studio")


async def test_settings_are_shown_changed_and_checked(here: Studio) -> None:
    ada = here.sandbox.member("ada", "salon")
    guild = here.sandbox.world.salon.id
    atrium = here.sandbox.world.channel("atrium")

    async def settings(**options: Any) -> str:
        return await told(here, await ada.slash("atrium", "palimpsest settings", **options))

    assert "0 to 1, default 0.6" in await settings()
    text = await settings(min_strength=0.2, max_strength=0.8, open_buttons=True, max_count=6)
    assert "0.2 to 0.8, default 0.6" in text
    text = await settings(min_strength=0.7)
    assert "nearest allowed value is 0.7" in text
    policy = await here.service.policy(guild)
    assert (policy.min_strength, policy.max_strength, policy.max_count) == (0.2, 0.8, 6)
    assert policy.open_buttons
    text = await settings(allow_channel=atrium, member_queue=9, window_minutes=30)
    assert f"<#{atrium.id}>" in text
    policy = await here.service.policy(guild)
    assert (policy.channels, policy.member_queue, policy.window_minutes) == ((atrium.id,), 9, 30)
    assert "everywhere" in await settings(remove_channel=atrium)
    assert "not in the list" in await settings(remove_channel=atrium)
