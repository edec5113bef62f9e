"""What a user interface may do to a job, over the real stores."""

import asyncio
from datetime import timedelta

import pytest

from bot.errors import Gone, NotPermitted, QueueFull, RateLimited, Refused, UserError
from bot.jobs.events import JobEvent, JobFinished, JobQueued
from bot.jobs.service import Actor
from bot.model import DeliveryState, GuildPolicy, Job, JobStatus
from inference.catalog import Catalog
from inference.request import Recipe
from inference.sizes import result_size
from tests.joblog import JobLog

OWNER = Actor(user_id=1, manages_messages=False)
STRANGER = Actor(user_id=2, manages_messages=False)
MODERATOR = Actor(user_id=3, manages_messages=True)


async def _heard(log: JobLog, act) -> list[JobEvent]:
    """The events that `act` publishes, and a last one to end on."""
    with log.events.subscribe() as events:
        await act
        end = JobQueued(job_id=0)
        log.events.publish(end)
        heard = []
        async for event in events:
            if event == end:
                return heard
            heard.append(event)
    raise AssertionError


async def test_a_submitted_job_waits_at_its_price(log: JobLog) -> None:
    job = await log.received(steps=20, count=2, strength=0.6, guidance=5)
    source = await log.source()
    assert await _heard(log, log.service.submit(job.id, source)) == [JobQueued(job_id=job.id)]
    job = await log.service.get(job.id)
    size = result_size(64, 64, Catalog().find("pocket").pixel_budget)
    assert (job.status, job.source, (job.width, job.height)) == (JobStatus.QUEUED, source, size)
    assert job.cost == job.recipe.cost(*size) > 0


async def test_a_size_of_its_own_is_taken_as_it_is(log: JobLog) -> None:
    job = await log.received(width=96, height=128)
    job = await log.service.submit(job.id, await log.source())
    assert (job.width, job.height) == (96, 128)


async def _refused(log: JobLog, kind: type[UserError], **recipe: object) -> str:
    """Submits a recipe that must be refused; its text."""
    job = await log.received(**recipe)
    source = await log.source()
    text = ""

    async def submit() -> None:
        nonlocal text
        with pytest.raises(kind) as caught:
            await log.service.submit(job.id, source)
        text = str(caught.value)

    assert await _heard(log, submit()) == []
    job = await log.service.get(job.id)
    assert (job.status, job.error) == (JobStatus.REFUSED, text)
    assert job.delivery is DeliveryState.PENDING
    return text


async def test_refusals_are_on_the_row_and_cost_nothing(log: JobLog) -> None:
    await log.service.set_policy(GuildPolicy(guild_id=1, max_steps=30, member_budget=1.5))
    assert "30" in await _refused(log, Refused, steps=40)
    assert "nearest is" in await _refused(log, Refused, model="pokket")
    assert (await log.service.preview_usage(1, 1)).member == 0
    job = await log.received()
    await log.service.submit(job.id, await log.source())
    await _refused(log, RateLimited)
    used = await log.service.preview_usage(1, 1)
    assert used.member == used.guild == (await log.service.get(job.id)).cost


async def test_the_queues_limits_count_what_waits_for_its_picture(log: JobLog) -> None:
    await log.service.set_policy(GuildPolicy(guild_id=1, member_queue=2, guild_queue=3))
    source = await log.source()

    async def ask(user: int = 1) -> Job:
        recipe = Recipe(prompt="x", steps=1, guidance=1)
        job, _ = await log.service.receive(recipe=recipe, origin=log.origin(1, user), source=source)
        return job

    # At once or one after the other: as many as are allowed, no more and no fewer.
    answers = await asyncio.gather(*(ask() for _ in range(4)), return_exceptions=True)
    first, second = (answer for answer in answers if isinstance(answer, Job))
    with pytest.raises(QueueFull, match="You have 2 jobs waiting or running here and 2 are"):
        await ask()
    assert await log.service.received() == [first, second]
    third = await ask(2)
    with pytest.raises(QueueFull, match="This server has 3 jobs waiting or running and 3 are"):
        await ask(3)
    # None counts against itself or against what was received before it.
    for job in (third, second, first):
        assert (await log.service.submit(job.id, source)).status is JobStatus.QUEUED
    with pytest.raises(QueueFull):
        await ask()
    again, created = await log.service.receive(
        recipe=first.recipe, origin=first.origin, source=source
    )
    assert (again.id, created) == (first.id, False)
    await log.service.cancel(first.id, OWNER)
    await ask()


async def test_what_was_received_is_queued_under_limits_that_were_lowered(log: JobLog) -> None:
    jobs = [await log.received(steps=1, guidance=1) for _ in range(2)]
    await log.service.set_policy(GuildPolicy(guild_id=1, member_queue=1, guild_queue=1))
    for job in jobs:
        queued = await log.service.submit(job.id, await log.source())
        assert queued.status is JobStatus.QUEUED


async def test_the_rate_limit_says_when_and_keeps_its_word(log: JobLog) -> None:
    first = await log.received(width=64, height=64, steps=10)
    first = await log.service.submit(first.id, await log.source())
    policy = GuildPolicy(guild_id=1, member_budget=first.cost * 1.5, guild_budget=1000)
    await log.service.set_policy(policy)
    log.clock.advance(minutes=10)
    job = await log.received(width=64, height=64, steps=10)
    with pytest.raises(RateLimited) as caught:
        await log.service.submit(job.id, await log.source())
    retry_at = caught.value.retry_at
    assert retry_at == first.queued_at + timedelta(minutes=60)
    log.clock.now = retry_at - timedelta(microseconds=1)
    await _refused(log, RateLimited, width=64, height=64, steps=10)
    log.clock.now = retry_at
    job = await log.received(width=64, height=64, steps=10)
    assert (await log.service.submit(job.id, await log.source())).status is JobStatus.QUEUED


async def test_members_at_once_cannot_overrun_the_budget(log: JobLog) -> None:
    cost = Recipe(prompt="x", guidance=1, steps=10).cost(64, 64)
    await log.service.set_policy(GuildPolicy(guild_id=1, member_budget=3.5 * cost))
    jobs = [await log.received(width=64, height=64, steps=10) for _ in range(8)]
    source = await log.source()
    answers = await asyncio.gather(
        *(log.service.submit(job.id, source) for job in jobs), return_exceptions=True
    )
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 5


async def test_a_source_that_is_gone_refuses(log: JobLog) -> None:
    job = await log.received()
    with pytest.raises(Gone):
        await log.service.submit(job.id, "0" * 64)
    assert (await log.service.get(job.id)).status is JobStatus.REFUSED


async def test_a_job_cancelled_at_intake_is_not_queued(log: JobLog) -> None:
    job = await log.received(steps=50)
    await log.service.cancel(job.id, OWNER)
    await log.service.set_policy(GuildPolicy(guild_id=1, max_steps=30))
    for _ in range(2):  # whether the policy would have refused it or not
        assert (await log.service.submit(job.id, await log.source())).status is JobStatus.CANCELLED
        await log.service.set_policy(GuildPolicy(guild_id=1))


async def test_prepare_refuses_before_anything_is_recorded(log: JobLog) -> None:
    await log.service.set_policy(GuildPolicy(guild_id=1, channels=(7,), max_count=2))
    await log.service.prepare(1, 7, Recipe(prompt="x"))
    with pytest.raises(NotPermitted, match="<#7>"):
        await log.service.prepare(1, 8, Recipe(prompt="x"))
    await log.service.prepare(1, 8, Recipe(prompt="x"), thread_of=7)
    with pytest.raises(Refused, match="2"):
        await log.service.prepare(1, 7, Recipe(prompt="x", count=3))
    assert await log.service.received() == []


async def test_a_policy_that_contradicts_itself_is_not_stored(log: JobLog) -> None:
    with pytest.raises(Refused):
        await log.service.set_policy(GuildPolicy(guild_id=1, max_steps=5, default_steps=10))
    assert await log.service.policy(1) == GuildPolicy(guild_id=1)


@pytest.mark.parametrize("actor", [OWNER, MODERATOR])
@pytest.mark.parametrize("running", [False, True])
async def test_cancel(log: JobLog, actor: Actor, running: bool) -> None:
    job = await (log.running() if running else log.queued())
    heard = await _heard(log, log.service.cancel(job.id, actor))
    assert heard == [JobFinished(job_id=job.id)]
    assert (await log.service.get(job.id)).status is JobStatus.CANCELLED
    assert (await log.service.preview_usage(1, 1)).member == 0
    with pytest.raises(UserError, match="cancelled already"):
        await log.service.cancel(job.id, actor)


async def test_strangers_may_not_cancel_or_delete(log: JobLog) -> None:
    done, job = await log.done(), await log.queued()
    with pytest.raises(NotPermitted, match="<@1>"):
        await log.service.cancel(job.id, STRANGER)
    with pytest.raises(NotPermitted, match="<@1>"):
        await log.service.delete(done.id, STRANGER)
    assert await log.service.get(job.id) == job
    assert await log.service.get(done.id) == done


async def test_finished_jobs_are_deleted_and_others_cancelled(log: JobLog) -> None:
    done, job = await log.done(), await log.queued()
    with pytest.raises(UserError, match="is finished"):
        await log.service.cancel(done.id, OWNER)
    with pytest.raises(UserError, match="cancel it first"):
        await log.service.delete(job.id, OWNER)
    deleted = await log.service.delete(done.id, MODERATOR)
    assert deleted.results == () and deleted.deleted_at is not None


async def test_buttons_are_the_owners_unless_the_guild_opens_them(log: JobLog) -> None:
    job = await log.done()
    await log.service.may_use(job, OWNER)
    for actor in (STRANGER, MODERATOR):
        with pytest.raises(NotPermitted, match="<@1>"):
            await log.service.may_use(job, actor)
    await log.service.set_policy(GuildPolicy(guild_id=1, open_buttons=True))
    await log.service.may_use(job, STRANGER)


async def test_failing_at_intake_tells_once(log: JobLog) -> None:
    job = await log.received()
    heard = await _heard(log, log.service.fail(job.id, text="Not a picture.", reference="ab"))
    assert heard == [JobFinished(job_id=job.id)]
    job = await log.service.get(job.id)
    assert (job.status, job.error, job.reference) == (JobStatus.FAILED, "Not a picture.", "ab")
    assert await _heard(log, log.service.fail(job.id, text="Something else.")) == []
    assert await log.service.get(job.id) == job


async def test_what_nobody_can_be_told_is_abandoned_silently(log: JobLog) -> None:
    job = await log.received()
    assert await _heard(log, log.service.fail(job.id, text="Lost.", abandoned=True)) == []
    assert (await log.service.get(job.id)).delivery is DeliveryState.ABANDONED
    assert await log.service.undelivered() == []


async def test_places_and_times(log: JobLog) -> None:
    running = await log.running(guild=1, cost=6)
    first, second = await log.queued(guild=1, cost=4), await log.queued(guild=1, cost=2)
    place = await log.service.place(first.id)
    assert place is not None and (place.position, place.seconds) == (1, None)  # nothing measured
    assert await log.service.place(running.id) is None
    other = await log.queued(guild=2, cost=1)  # was served less
    positions = [(await log.service.place(job.id)).position for job in (other, first, second)]
    assert sorted(positions) == [1, 2, 3]
    await log.jobs.cancel(other.id)
    await log.jobs.cancel(running.id)
    log.clock.advance(seconds=1)
    assert (await log.service.place(second.id)).position == 2


async def test_the_time_to_wait_follows_from_what_was_measured(log: JobLog) -> None:
    await log.done(cost=10)  # in 2 seconds: 5 a second
    running = await log.running(cost=20)
    first, second = await log.queued(cost=4), await log.queued(cost=6)
    assert (await log.service.place(first.id)).seconds == pytest.approx((20 + 4) / 5)
    assert (await log.service.place(second.id)).seconds == pytest.approx((20 + 10) / 5)
    log.clock.advance(seconds=3)
    assert (await log.service.place(first.id)).seconds == pytest.approx((5 + 4) / 5)
    log.clock.advance(seconds=99)  # overdue, but never less than nothing
    assert (await log.service.place(first.id)).seconds == pytest.approx(4 / 5)
    await log.jobs.cancel(running.id)
    await log.jobs.cancel(first.id)
    assert (await log.service.place(second.id)).position == 1


async def test_a_guilds_line_is_running_first_then_as_expected(log: JobLog) -> None:
    running, received = await log.running(user=1), await log.received(user=3)
    one, two = await log.queued(user=1), await log.queued(user=1)
    other = await log.queued(user=2)  # takes turns with member 1
    await log.queued(guild=2)
    line = await log.service.waiting(1)
    assert [job.id for job in line] == [running.id, one.id, other.id, two.id, received.id]
    assert await log.service.waiting(3) == []


async def test_a_rerun_needs_no_attachment(log: JobLog) -> None:
    parent = await log.done()
    job, created = await log.service.receive(
        recipe=parent.recipe.change(seed=5),
        origin=log.origin(),
        parent_id=parent.id,
        source=parent.source,
    )
    assert created and (job.parent_id, job.source) == (parent.id, parent.source)
    assert [received.id for received in await log.service.received()] == [job.id]
    assert (await log.service.submit(job.id, job.source)).status is JobStatus.QUEUED
