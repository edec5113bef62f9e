"""Rows for tests that need no database."""

from datetime import UTC, datetime

from bot.model import DeliveryState, Job, JobStatus, Origin, OriginKind
from inference.request import Recipe


def job(job_id: int, user_id: int, prompt: str) -> Job:
    return Job(
        id=job_id,
        status=JobStatus.QUEUED,
        recipe=Recipe(prompt=prompt),
        origin=Origin(kind=OriginKind.COMMAND, guild_id=1, channel_id=2, user_id=user_id),
        parent_id=None,
        source_url=None,
        source=None,
        width=None,
        height=None,
        cost=0,
        attempts=0,
        results=(),
        steps_run=None,
        seconds=None,
        message_id=None,
        delivery=DeliveryState.PENDING,
        error=None,
        reference=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        queued_at=None,
        started_at=None,
        finished_at=None,
    )
