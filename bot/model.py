"""The bot's nouns: a job with its legal moves, where it came from, and a guild's policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inference.request import Recipe


class JobStatus(StrEnum):
    """A job's state. RECEIVED: recorded before the acknowledgement, its picture not yet here."""

    RECEIVED = "received"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """True where no move leads on."""
        return not LEGAL_MOVES[self]


LEGAL_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.RECEIVED: frozenset(
        {JobStatus.QUEUED, JobStatus.REFUSED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.QUEUED}
    ),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.REFUSED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


class IllegalMove(Exception):
    """A programming error or a lost race: the job is not in a state that may move there."""


class DeliveryState(StrEnum):
    """What Discord shows of a finished job. ABANDONED: nobody can be told (channel gone)."""

    PENDING = "pending"
    DELIVERED = "delivered"
    ABANDONED = "abandoned"


class OriginKind(StrEnum):
    """How the member asked. A reaction has no interaction token."""

    COMMAND = "command"
    MENU = "menu"
    BUTTON = "button"
    MODAL = "modal"
    REACTION = "reaction"


UPLOAD_LIMIT = 10 * 1024 * 1024
"""Bytes per file that every guild allows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a job came from and where its result goes; ids are Discord snowflakes.

    interaction_id: unique over all jobs, so a replayed gateway event is not a second job;
        for a reaction None.
    interaction_token: usable until token_expires_at (15 minutes), None for a reaction.
    reply_to: message that a post replies to when there is no placeholder, or None.
    upload_limit: bytes per file that the guild allows.
    """

    kind: OriginKind
    guild_id: int
    channel_id: int
    user_id: int
    interaction_id: int | None = None
    application_id: int | None = None
    interaction_token: str | None = None
    token_expires_at: datetime | None = None
    reply_to: int | None = None
    upload_limit: int = UPLOAD_LIMIT


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What made a job's pictures: enough to make them again bit for bit.

    batch_shape: the padded forward-pass shape; "" if the model did not run.
    versions: library name → version. notes: sentences for the member.
    """

    model: str
    revision: str
    scheduler: str
    batch_shape: str
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One row of the job log, read-only.

    recipe: what was asked; its model and seed are already settled.
    parent_id: the job this was rerolled or edited from.
    source_url: the attachment's URL while RECEIVED; source: the picture's content hash after.
    second_url, second: the same of the second picture, where its task takes one. An attachment
        beside a source that is stored already is that picture, painted over: where, is the mask.
    width, height: of the pictures to come, pixels; settled when QUEUED.
    cost: megapixel-rows that it takes in full; attempts: how often it was claimed.
    results: content hashes of the pictures, in order. steps_run, seconds: of the last run.
    message_id: the placeholder, later the card.
    error: text shown to the member; reference: what the owner finds in the log.
    deleted_at: when a member deleted the pictures; results is empty from then on.
    run: how the pictures were made, once SUCCEEDED.
    """

    id: int
    status: JobStatus
    recipe: Recipe
    origin: Origin
    parent_id: int | None
    source_url: str | None
    source: str | None
    width: int | None
    height: int | None
    cost: float
    attempts: int
    results: tuple[str, ...]
    steps_run: int | None
    seconds: float | None
    message_id: int | None
    delivery: DeliveryState
    error: str | None
    reference: str | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None = None
    run: Run | None = None
    second_url: str | None = None
    second: str | None = None

    @property
    def imagined(self) -> bool:
        """Whether it paints from the prompt alone, over nothing."""
        return self.source is None and self.source_url is None

    @property
    def fetched(self) -> bool:
        """Whether all that it is made from was stored, so that it can be made again."""
        source = self.source is not None or self.source_url is None
        return source and (self.second is not None or self.second_url is None)


@dataclass(frozen=True, kw_only=True, slots=True)
class GuildPolicy:
    """What one guild allows. Costs are megapixel-rows (see `Recipe.cost`).

    member_budget, guild_budget: cost per moving window of window_minutes.
    member_queue, guild_queue: jobs that may wait (for their picture, too) or run at once.
    channels: where the bot may be used; empty means everywhere.
    min_strength … default_count: allowed range and default of the options.
    open_buttons: whether everybody, not only the owner of a picture, may press its buttons.
    parameters: whether the files of pictures say what made them.
    """

    guild_id: int
    member_budget: float = 200.0
    guild_budget: float = 2000.0
    window_minutes: int = 60
    member_queue: int = 5
    guild_queue: int = 50
    channels: tuple[int, ...] = ()
    min_strength: float = 0.0
    max_strength: float = 1.0
    default_strength: float = 0.6
    max_steps: int = 50
    default_steps: int = 20
    max_count: int = 4
    default_count: int = 1
    open_buttons: bool = False
    parameters: bool = True
