import asyncio
import itertools

from delivery_discord import Discord
from delivery_studio import EVERY, Studio

from bot.jobs.events import JobQueued

JPEG = b"\xff\xd8 a small picture"


async def test_progress_and_preview_are_shown_at_a_measured_pace(
    studio: Studio, discord_server: Discord
) -> None:
    job = await studio.ask()
    async with studio.delivering():
        await studio.start(job)
        for step in range(1, 100):
            studio.advance(job, step, 100, JPEG + bytes([step]) if step % 2 else None)
            await asyncio.sleep(0.015)
        await studio.finish(job)
        await studio.settled(job)
        calls = discord_server.of("PATCH")
    *running, last = calls
    assert 3 <= len(running) <= 7
    assert "Painting" in running[1].texts
    assert running[1].files
    (name,) = running[1].files
    assert name.startswith(f"preview-{job.id}-")
    assert all(call.buttons == ["cancel"] for call in running)
    assert " left" in running[-1].texts
    gaps = [b.at - a.at for a, b in itertools.pairwise(running)]
    assert min(gaps) >= EVERY * 0.9
    assert "reroll" in last.buttons


async def test_the_end_waits_for_no_pace_and_nothing_comes_after_it(
    studio: Studio, discord_server: Discord
) -> None:
    job = await studio.ask()
    async with studio.delivering(every=30.0):
        await studio.start(job)
        await discord_server.until(lambda: discord_server.calls)
        await studio.finish(job)
        await studio.settled(job)
        studio.advance(job, 11)  # a late one
        other = await studio.ask()
        await studio.start(other)
        await discord_server.until(lambda: discord_server.calls[-1].buttons == ["cancel"])
    mine = [call for call in discord_server.calls if f":{job.id}'" in str(call.body)]
    assert [call.buttons[0] for call in mine] == ["cancel", "reroll"]


async def test_the_end_waits_for_an_edit_under_way(studio: Studio, discord_server: Discord) -> None:
    gate = asyncio.Event()
    discord_server.fail(200, when=lambda call: call.buttons == ["cancel"], hold=gate)
    job = await studio.ask()
    async with studio.delivering():
        await studio.start(job)
        await discord_server.until(lambda: discord_server.under_way)
        await studio.finish(job)
        await asyncio.sleep(0.1)
        assert len(discord_server.calls) == 1
        gate.set()
        job = await studio.settled(job)
    assert "reroll" in discord_server.shown(job.message_id or 0).buttons


async def test_who_waits_sees_the_place_move_up(studio: Studio, discord_server: Discord) -> None:
    first, second = await studio.ask(), await studio.ask()

    def shown(words: str) -> bool:
        return words in discord_server.shown(second.message_id or 0).texts

    async with studio.delivering():
        for job in (first, second):
            studio.events.publish(JobQueued(job_id=job.id))
        await discord_server.until(lambda: shown("number 2 in line"))
        await studio.start(first)
        await discord_server.until(lambda: shown("next in line"))


async def test_who_waits_since_before_a_restart_sees_the_place(
    studio: Studio, discord_server: Discord
) -> None:
    first, second = await studio.ask(), await studio.ask()
    async with studio.delivering():
        for job, words in ((first, "next in line"), (second, "number 2 in line")):
            shown = job.message_id or 0
            await discord_server.until(
                lambda shown=shown, words=words: words in discord_server.shown(shown).texts
            )


async def test_what_is_over_at_once_is_shown_once(studio: Studio, discord_server: Discord) -> None:
    async with studio.delivering():
        job = await studio.ask()
        await studio.finish(job)
        await studio.settled(job)
    assert len(discord_server.calls) == 1


async def test_progress_that_cannot_be_shown_does_not_matter(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(400, 50035, when=lambda call: call.buttons == ["cancel"], times=1)
    discord_server.fail(
        403, 50013, when=lambda call: call.buttons == ["cancel"] and bool(call.files)
    )
    job = await studio.ask()
    async with studio.delivering():
        await studio.start(job)
        await discord_server.until(lambda: len(discord_server.calls) == 1)
        studio.advance(job, 2, 12, JPEG)
        # first with the preview, which is not allowed here, then without
        await discord_server.until(
            lambda: "step 2" in discord_server.shown(job.message_id or 0).texts
        )
        await studio.finish(job)
        await studio.settled(job)
    assert [bool(call.files) for call in discord_server.calls] == [False, True, False, True]


async def test_a_job_that_begins_again_says_so(studio: Studio, discord_server: Discord) -> None:
    job = await studio.ask()

    def shown(words: str) -> bool:
        return words in discord_server.shown(job.message_id or 0).texts

    async with studio.delivering():
        await studio.start(job)
        studio.advance(job, 9)
        await discord_server.until(lambda: shown("step 9"))
        await studio.jobs.requeue(job.id)
        studio.events.publish(JobQueued(job_id=job.id))
        await discord_server.until(lambda: shown("Waiting"))


async def test_the_placeholder_is_remembered_by_its_first_edit(
    studio: Studio, discord_server: Discord
) -> None:
    job = await studio.ask(known=False)
    async with studio.delivering():
        await studio.start(job)
        await discord_server.until(lambda: discord_server.calls)
        await studio.until(job, lambda now: now.message_id is not None)
    assert (await studio.service.get(job.id)).message_id == discord_server.originals["token-1"]


async def test_who_is_far_back_is_told_at_once_when_it_begins(
    studio: Studio, discord_server: Discord
) -> None:
    jobs = [await studio.ask() for _ in range(12)]
    last = jobs[-1]

    def shown(words: str) -> bool:
        return words in discord_server.shown(last.message_id or 0).texts

    async with studio.delivering():
        studio.events.publish(JobQueued(job_id=last.id))
        await discord_server.until(lambda: shown("number 12 in line"))
        await studio.start(jobs[0])  # a move that it need not hear of soon
        for job in jobs[1:-1]:
            await studio.jobs.cancel(job.id)
        await studio.start(last)
        await discord_server.until(lambda: shown("Starting"), seconds=5)
