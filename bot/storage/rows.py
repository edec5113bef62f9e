"""A row of the job log and what the rest of the bot sees of it."""

import json
from typing import Any

from sqlalchemy import RowMapping, Select, func, select

from bot.model import DeliveryState, Job, JobStatus, Origin, OriginKind, Run
from bot.storage.tables import job_results, jobs
from inference.request import Recipe
from inference.result import GenerationResult

_ORIGIN = (
    "guild_id",
    "channel_id",
    "user_id",
    "interaction_id",
    "application_id",
    "interaction_token",
    "token_expires_at",
    "reply_to",
    "upload_limit",
)
_AS_THEY_ARE = (
    "id",
    "parent_id",
    "source_url",
    "source",
    "second_url",
    "second",
    "width",
    "height",
    "cost",
    "attempts",
    "steps_run",
    "seconds",
    "message_id",
    "error",
    "reference",
    "created_at",
    "queued_at",
    "started_at",
    "finished_at",
    "deleted_at",
)
_RESULTS = (
    select(func.json_group_object(job_results.c.position, job_results.c.sha))
    .where(job_results.c.job_id == jobs.c.id)
    .correlate(jobs)
    .scalar_subquery()
    .label("results")
)


def select_jobs() -> Select[Any]:
    """Whole jobs, with their results; `job_of` reads the rows."""
    return select(jobs, _RESULTS)


def job_of(row: RowMapping) -> Job:
    """The job in a row of `select_jobs`."""
    results: dict[str, str] = json.loads(row["results"])
    return Job(
        status=JobStatus(row["status"]),
        recipe=Recipe.from_json(row["recipe"]),
        origin=Origin(kind=OriginKind(row["kind"]), **{name: row[name] for name in _ORIGIN}),
        results=tuple(results[position] for position in sorted(results, key=int)),
        delivery=DeliveryState(row["delivery"]),
        run=_run_of(row),
        **{name: row[name] for name in _AS_THEY_ARE},
    )


def _run_of(row: RowMapping) -> Run | None:
    if row["run_model"] is None:
        return None
    return Run(
        model=row["run_model"],
        revision=row["run_revision"],
        scheduler=row["run_scheduler"],
        batch_shape=row["run_batch_shape"],
        versions=row["run_versions"],
        notes=tuple(row["run_notes"] or ()),
    )


def origin_values(origin: Origin) -> dict[str, Any]:
    """The origin as columns."""
    return {"kind": origin.kind.value, **{name: getattr(origin, name) for name in _ORIGIN}}


def run_values(result: GenerationResult) -> dict[str, Any]:
    """How the pictures were made, as columns."""
    return {
        "steps_run": result.steps_run,
        "seconds": result.seconds,
        "run_model": result.model,
        "run_revision": result.revision,
        "run_scheduler": result.scheduler,
        "run_batch_shape": result.batch_shape,
        "run_versions": dict(result.versions),
        "run_notes": list(result.notes) or None,
    }
