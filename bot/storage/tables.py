"""The tables of the job log. `migrations/` must arrive at exactly this."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    true,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python, naive UTC in the database (SQLite knows no time zones)."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive values: they would be stored as if they were UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Gives the time zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

guild_policies = Table(
    "guild_policies",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("member_budget", Float, nullable=False),
    Column("guild_budget", Float, nullable=False),
    Column("window_minutes", Integer, nullable=False),
    Column("member_queue", Integer, nullable=False),
    Column("guild_queue", Integer, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("min_strength", Float, nullable=False),
    Column("max_strength", Float, nullable=False),
    Column("default_strength", Float, nullable=False),
    Column("max_steps", Integer, nullable=False),
    Column("default_steps", Integer, nullable=False),
    Column("max_count", Integer, nullable=False),
    Column("default_count", Integer, nullable=False),
    Column("open_buttons", Boolean, nullable=False),
    Column("parameters", Boolean, nullable=False, server_default=true()),
)

guild_presets = Table(
    "guild_presets",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("prefix", Text, nullable=False),
    Column("suffix", Text, nullable=False),
    Column("negative_prompt", Text, nullable=False),
    Column("strength", Float),
    Column("guidance", Float),
)

# One row is one job from before its acknowledgement until for ever; the rows
# in state "queued" are the queue.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("recipe", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("guild_id", BigInteger, nullable=False),
    Column("channel_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("interaction_id", BigInteger, unique=True),
    Column("application_id", BigInteger),
    Column("interaction_token", Text),
    Column("token_expires_at", UtcDateTime),
    Column("reply_to", BigInteger),
    Column("upload_limit", BigInteger, nullable=False),
    # No foreign key: arrivals are written together, and none may fail for another's sake.
    Column("parent_id", Integer),
    Column("source_url", Text),
    Column("source", String(64), index=True),
    Column("second_url", Text),
    Column("second", String(64), index=True),
    Column("width", Integer),
    Column("height", Integer),
    Column("cost", Float, nullable=False, default=0.0),
    # What counts against the rate limits: the cost, less what was not spent.
    Column("charged", Float, nullable=False, default=0.0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("message_id", BigInteger),
    Column("delivery", String(16), nullable=False, index=True),
    Column("error", Text),
    Column("reference", String(32)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("queued_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    # How the pictures were made, for making them again bit for bit.
    Column("steps_run", Integer),
    Column("seconds", Float),
    Column("run_model", Text),
    Column("run_revision", Text),
    Column("run_scheduler", Text),
    Column("run_batch_shape", Text),
    Column("run_versions", JSON(none_as_null=True)),
    Column("run_notes", JSON(none_as_null=True)),
    Index(None, "status", "guild_id", "user_id"),
    Index(None, "status", "finished_at"),
    Index(None, "guild_id", "queued_at"),
    # An id is on buttons for ever, so none is ever given out twice.
    sqlite_autoincrement=True,
)

job_results = Table(
    "job_results",
    metadata,
    Column("job_id", Integer, ForeignKey("jobs.id"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("sha", String(64), nullable=False, index=True),
)

images = Table(
    "images",
    metadata,
    Column("sha", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("mime", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("note", Text),
    Column("created_at", UtcDateTime, nullable=False),
    # When it was last stored or last became part of a job: retention counts from here.
    Column("used_at", UtcDateTime, nullable=False, index=True),
)

# Cost served so far, for the fair order. Only differences mean anything.
guild_shares = Table(
    "guild_shares",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("served", Float, nullable=False),
)

member_shares = Table(
    "member_shares",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("served", Float, nullable=False),
)
