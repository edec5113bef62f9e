"""What /queue shows: what is painted here, what waits, and what the member has left."""

from collections.abc import Sequence

from discord import ui

from bot.discord_ui.progress import duration
from bot.discord_ui.replies import panel
from bot.discord_ui.wording import escaped
from bot.jobs.service import QueuePlace, Usage
from bot.model import Job, JobStatus

MAX_LINES = 15
MAX_PROMPT = 60


def queue_card(
    jobs: Sequence[tuple[Job, QueuePlace | None]],
    *,
    more: int,
    usage: Usage,
    user_id: int,
    channel_id: int | None,
) -> ui.LayoutView:
    """jobs: in the order of `Queue.of_guild`, with their places; more: not shown.

    user_id, channel_id: who asks, and where. What was asked for in another channel they perhaps
    may not read, so its words are shown to nobody but who wrote them.
    """

    def words(job: Job) -> str:
        mine, here = job.origin.user_id == user_id, job.origin.channel_id == channel_id
        return f" · {escaped(job.recipe.prompt, MAX_PROMPT)}" if mine or here else ""

    lines = [_line(job, place) + words(job) for job, place in jobs]
    if more:
        lines.append(f"… and {more} more")
    return panel(
        "### Queue\n" + ("\n".join(lines) or "Nothing waits here."),
        f"In the last {usage.window_minutes} minutes you used {usage.member:.0f} of "
        f"{usage.member_budget:.0f}, this server {usage.guild:.0f} of {usage.guild_budget:.0f}.",
    )


def _line(job: Job, place: QueuePlace | None) -> str:
    where = "is being painted"
    if job.status is JobStatus.RECEIVED:
        where = "is being accepted" if job.fetched else "waits for its picture"
    elif job.status is not JobStatus.RUNNING:
        # A job that began since the list was read has no place any more.
        where = "begins now" if place is None else f"is number {place.position} in line"
        if place is not None and place.seconds is not None:
            where += f", done in about {duration(place.seconds)}"
    return f"**#{job.id}** <@{job.origin.user_id}> {where}"
