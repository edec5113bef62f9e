import asyncio
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import discord
import pytest

from bot.discord_ui import cards
from bot.discord_ui.uploads import MAX_ALT, Parcel, Upload, alt_text
from bot.discord_ui.wording import escaped, plain
from bot.jobs.queue import QueuePlace
from bot.model import DeliveryState, Job, JobStatus, Origin, OriginKind
from inference.request import MAX_PROMPT, MAX_SEED, Recipe
from inference.result import Progress

ORIGIN = Origin(kind=OriginKind.COMMAND, guild_id=11, channel_id=22, user_id=33)
JOB = Job(
    id=7,
    status=JobStatus.SUCCEEDED,
    recipe=Recipe(prompt="a lighthouse at dusk", seed=42, steps=20, strength=0.6),
    origin=ORIGIN,
    parent_id=None,
    source_url=None,
    source="s" * 64,
    width=256,
    height=192,
    cost=1.0,
    attempts=1,
    results=("a" * 64,),
    steps_run=12,
    seconds=3.21,
    message_id=None,
    delivery=DeliveryState.PENDING,
    error=None,
    reference=None,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    queued_at=None,
    started_at=None,
    finished_at=None,
)


def job(**changes: Any) -> Job:
    recipe = {
        field.name: changes.pop(field.name)
        for field in dataclasses.fields(Recipe)
        if field.name in changes
    }
    return dataclasses.replace(JOB, recipe=JOB.recipe.change(**recipe), **changes)


def parcel(of: Job, *, source: bool = True, notes: tuple[str, ...] = ()) -> Parcel:
    pictures = tuple(
        Upload(name=f"{n}.png", data=b"png", alt=alt_text(of, n))
        for n in range(1, len(of.results) + 1)
    )
    thumb = Upload(name="source.jpg", data=b"jpg", alt="The source picture") if source else None
    return Parcel(pictures=pictures, source=thumb, notes=notes)


def parts(view: discord.ui.LayoutView) -> Iterator[dict[str, Any]]:
    def walk(component: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield component
        for child in component.get("components", []):
            yield from walk(child)
        if "accessory" in component:
            yield from walk(component["accessory"])

    for top in view.to_components():
        yield from walk(top)


def texts(view: discord.ui.LayoutView) -> str:
    return "\n".join(part["content"] for part in parts(view) if part["type"] == 10)


def buttons(view: discord.ui.LayoutView) -> list[str]:
    return [part["custom_id"] for part in parts(view) if part["type"] == 2]


def test_a_result_shows_pictures_source_asker_and_what_was_used() -> None:
    view = cards.result(JOB, parcel(JOB))
    (gallery,) = (part for part in parts(view) if part["type"] == 12)
    assert gallery["items"][0]["media"]["url"] == "attachment://1.png"
    assert gallery["items"][0]["description"] == "a lighthouse at dusk"
    (thumbnail,) = (part for part in parts(view) if part["type"] == 11)
    assert thumbnail["media"]["url"] == "attachment://source.jpg"
    assert (
        "-# <@33> · strength 0.6 · 12 steps · guidance 5 · seed 42 · pocket · 3.2 s"
        in texts(view).splitlines()
    )
    actions = ["reroll", "weaker", "stronger", "edit", "source", "paint", "upscale"]
    actions += ["variations", "ladder", "compare", "delete"]
    assert buttons(view) == [f"palimpsest:{action}:7" for action in actions]


def test_a_result_without_its_source_has_no_thumbnail() -> None:
    view = cards.result(JOB, parcel(JOB, source=False))
    assert not [part for part in parts(view) if part["type"] in (9, 11)]


def test_what_had_to_be_changed_for_the_upload_is_said() -> None:
    note = "Sent as WebP to fit the upload limit."
    assert f"-# {note}" in texts(cards.result(JOB, parcel(JOB, notes=(note,))))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 5, "count": 3}, "seeds 5–7"),
        ({"seed": MAX_SEED, "count": 2}, f"2 seeds from {MAX_SEED}"),
        ({"steps_run": 1}, "1 step ·"),
        ({"strength": 0.0, "steps_run": 0}, "strength 0 · 0 steps"),
        ({"scheduler": "euler"}, "· euler ·"),
        ({"model": "/models/my_own/"}, "my\\_own"),
    ],
)
def test_the_line_of_what_was_used(changes: dict[str, Any], words: str) -> None:
    assert words in cards.used(job(**changes))


def test_of_what_nothing_steers_no_numbers_are_told() -> None:
    drawn = job(model="pix2pix-sketch", task="sketch", seconds=0.4)
    assert cards.used(drawn) == "pix2pix\\-sketch · 0.4 s"


def test_waiting_says_the_place_and_can_be_cancelled() -> None:
    waiting = job(status=JobStatus.QUEUED)
    assert "next in line" in texts(cards.waiting(waiting, QueuePlace(position=1, seconds=None)))
    view = cards.waiting(waiting, QueuePlace(position=3, seconds=70.0))
    assert "number 3 in line" in texts(view)
    assert "done <t:" in texts(view)
    assert buttons(view) == ["palimpsest:cancel:7"]
    assert "Waiting" in texts(cards.waiting(waiting, None))


def test_running_shows_bar_time_left_and_preview() -> None:
    view = cards.running(
        job(status=JobStatus.RUNNING), Progress(step=3, steps=12), left=27.0, preview="p.jpg"
    )
    assert "step 3 of 12 · about 30 s left" in texts(view)
    assert "25 %" in texts(view)
    (gallery,) = (part for part in parts(view) if part["type"] == 12)
    assert gallery["items"][0]["media"]["url"] == "attachment://p.jpg"
    assert buttons(view) == ["palimpsest:cancel:7"]
    assert "Starting" in texts(cards.running(job(status=JobStatus.RUNNING), None))


def test_a_failure_shows_the_members_text_or_a_reference() -> None:
    told = job(status=JobStatus.REFUSED, error="The budget is used up; try again <t:1:R>.")
    assert "try again <t:1:R>." in texts(cards.failed(told))
    broken = job(status=JobStatus.FAILED, reference="ABC123")
    assert "Something went wrong on our side; reference ABC123." in texts(cards.failed(broken))
    both = job(status=JobStatus.FAILED, error="The model is missing.", reference="ABC123")
    assert "The model is missing. Reference ABC123." in texts(cards.failed(both))
    named = job(status=JobStatus.FAILED, error="It broke (ABC123).", reference="ABC123")
    assert texts(cards.failed(named)).count("ABC123") == 1


def test_ended_jobs_can_be_tried_again_only_with_a_source() -> None:
    for make in (cards.failed, cards.cancelled):
        assert buttons(make(JOB)) == [f"palimpsest:{a}:7" for a in ("reroll", "edit", "delete")]
        lost = job(source=None, source_url="https://cdn.discordapp.com/x.png")
        assert buttons(make(lost)) == ["palimpsest:delete:7"]


def test_a_left_placeholder_links_to_its_answer() -> None:
    view = cards.moved(JOB, 99)
    assert "https://discord.com/channels/11/22/99" in texts(view)
    assert buttons(view) == []


NASTY = "# big\n-# small\n> quote\n**b** @everyone <@33> <#1> <t:1:R> [x](https://x.y) ||s|| `c` \\"


def test_prompts_cannot_ping_link_style_or_begin_a_line() -> None:
    for view in (
        cards.waiting(job(prompt=NASTY, negative_prompt=NASTY), None),
        cards.cancelled(job(prompt=NASTY)),
    ):
        shown = texts(view)
        assert "@everyone" not in shown
        assert shown.count("<@33>") == shown.count("asked by <@33>")  # only our own mention
        assert "\\<@\u200b33\\>" in shown
        assert "https://" not in shown
        assert "\\[x\\]" in shown
        assert all(
            line.startswith(("🎨", "-# without", "-# asked", "⏳", "✖️"))
            for line in shown.splitlines()
        )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\n\ttwo\r\nthree", "one two three"),
        ("right\u202eto left\u2066", "rightto left"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("👩\u200d🎨", "👩\u200d🎨"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 4),
        ("\x00\x1b[31m", "[31m"),
        ("x" * 20, "x" * 20),
        ("x" * 21, "x" * 19 + "…"),
        ("123456789 123456 👩\u200d🎨 and", "123456789 123456 👩…"),
    ],
)
def test_a_line_is_plain_and_visibly_shortened(text: str, shown: str) -> None:
    assert plain(text, 20) == shown


def test_escaping_at_most_doubles_the_length() -> None:
    assert len(escaped("@*" * 100, 50)) <= 100


@pytest.mark.parametrize("char", ["x", "*", "@", "👩", "\n"])
@pytest.mark.parametrize("count", [1, 10])
def test_the_longest_prompts_keep_discords_limits(char: str, count: int) -> None:
    longest = job(
        prompt=char * MAX_PROMPT,
        negative_prompt=char * MAX_PROMPT,
        model=char * 500,
        error="e" * 9000,
        count=count,
        results=("a" * 64,) * count,
    )
    views = [
        cards.waiting(longest, QueuePlace(position=500, seconds=9e5)),
        cards.running(longest, Progress(step=1, steps=150), left=1e5, preview="p.jpg"),
        cards.result(longest, parcel(longest, source=count < 10)),
        cards.failed(longest),
        cards.cancelled(longest),
        cards.moved(longest, 2**63),
    ]
    for view in views:
        found = list(parts(view))
        assert len(found) <= 40
        assert (
            sum(len(p["content"].encode("utf-16-le")) // 2 for p in found if p["type"] == 10)
            <= 4000
        )
        for part in found:
            assert len(part.get("custom_id", "")) <= 100
            assert part["type"] != 1 or 1 <= len(part["components"]) <= 5
            for item in part.get("items", []):
                assert 1 <= len(item["description"]) <= MAX_ALT


async def test_discord_py_does_not_keep_the_cards() -> None:
    await asyncio.sleep(0)
    assert cards.cancelled(JOB).is_finished()


def test_the_cards_of_a_picture_without_a_prompt() -> None:
    empty = job(prompt=" \n ")
    view = cards.result(empty, parcel(empty))
    assert "no prompt" in texts(view)
    assert alt_text(empty, 1) == "a picture made without a prompt"
