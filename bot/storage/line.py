"""The waiting line as it will be served, and how fast it moves."""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from bot.model import Job, JobStatus
from bot.storage.database import Database
from bot.storage.rows import job_of, select_jobs
from bot.storage.tables import guild_shares, jobs, member_shares
from bot.storage.usage import UNFINISHED

MEASURED_JOBS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """One QUEUED job, as far as its turn depends on it."""

    id: int
    guild_id: int
    user_id: int
    cost: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The line at one moment.

    waiting: in the order in which they will be claimed if nobody else comes.
    running: (cost, started_at) of what is being worked on.
    throughput: megapixel-rows per second lately; None until a job has been measured.
    """

    waiting: tuple[Waiting, ...]
    running: tuple[tuple[float, datetime], ...]
    throughput: float | None


class Line:
    """Reads the line; claims are made by the JobStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def snapshot(self) -> Snapshot:
        """The whole line in its expected order."""
        queued = select(jobs.c.id, jobs.c.guild_id, jobs.c.user_id, jobs.c.cost).where(
            jobs.c.status == JobStatus.QUEUED.value
        )
        running = select(jobs.c.cost, jobs.c.started_at).where(
            jobs.c.status == JobStatus.RUNNING.value
        )
        measured = (
            select(jobs.c.cost, jobs.c.finished_at, jobs.c.seconds)
            .where(jobs.c.status == JobStatus.SUCCEEDED.value, jobs.c.cost > 0)
            .order_by(jobs.c.finished_at.desc())
            .limit(MEASURED_JOBS)
        )
        async with self._database.read() as connection:
            waiting = [
                Waiting(id=job_id, guild_id=guild_id, user_id=user_id, cost=cost)
                for job_id, guild_id, user_id, cost in (await connection.execute(queued)).all()
            ]
            guilds = {row.guild_id: row.served for row in await connection.execute(
                select(guild_shares).where(
                    guild_shares.c.guild_id.in_({job.guild_id for job in waiting})
                )
            )}  # fmt: skip
            members = {(row.guild_id, row.user_id): row.served for row in await connection.execute(
                select(member_shares).where(
                    member_shares.c.guild_id.in_(guilds)
                )
            )}  # fmt: skip
            return Snapshot(
                waiting=tuple(fair_order(waiting, guilds, members)),
                running=tuple(
                    (cost, started) for cost, started in await connection.execute(running)
                ),
                throughput=throughput(
                    (cost, finished, seconds)
                    for cost, finished, seconds in await connection.execute(measured)
                ),
            )

    async def of_guild(self, guild_id: int) -> list[Job]:
        """The guild's jobs that are not finished, oldest first."""
        query = select_jobs().where(jobs.c.guild_id == guild_id, jobs.c.status.in_(UNFINISHED))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(jobs.c.id))).mappings()
            return [job_of(row) for row in rows]


def fair_order(
    waiting: Iterable[Waiting],
    guilds: Mapping[int, float],
    members: Mapping[tuple[int, int], float],
) -> list[Waiting]:
    """The order in which `JobStore.claim` would take the jobs, one after another.

    guilds, members: what each was served so far, by id; 0 where missing.
    """
    lines: defaultdict[tuple[int, int], deque[Waiting]] = defaultdict(deque)
    for job in sorted(waiting, key=lambda job: job.id):
        lines[job.guild_id, job.user_id].append(job)
    # Per guild a heap of its members (served, first job's id), and one heap over the guilds'
    # heads: (guild served, member served, job id) as in the claim statement.
    inside: defaultdict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for (guild_id, user_id), line in lines.items():
        served = members.get((guild_id, user_id), 0.0)
        heapq.heappush(inside[guild_id], (served, line[0].id, user_id))
    heads = [(guilds.get(guild, 0.0), *heap[0], guild) for guild, heap in inside.items()]
    heapq.heapify(heads)
    order = []
    while heads:
        guild_served, _, _, _, guild_id = heapq.heappop(heads)
        member_served, _, user_id = heapq.heappop(inside[guild_id])
        line = lines[guild_id, user_id]
        job = line.popleft()
        order.append(job)
        if line:
            heapq.heappush(inside[guild_id], (member_served + job.cost, line[0].id, user_id))
        if inside[guild_id]:
            heapq.heappush(heads, (guild_served + job.cost, *inside[guild_id][0], guild_id))
    return order


def throughput(measured: Iterable[tuple[float, datetime, float]]) -> float | None:
    """Cost per second while at least one of the jobs was worked on; None when there is none.

    measured: (cost, finished_at, seconds) of finished jobs; they may overlap.
    """
    total, busy = 0.0, timedelta()
    until: datetime | None = None
    spans = [
        (finished - timedelta(seconds=seconds), finished, cost)
        for cost, finished, seconds in measured
    ]
    for begin, end, cost in sorted(spans):
        total += cost
        if until is None or until < end:
            busy += end - (begin if until is None else max(begin, until))
            until = end
    return total / busy.total_seconds() if busy else None
