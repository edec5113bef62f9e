"""Where processes are killed: points of the path, named once, without a trace in the product."""

from typing import Literal

from tests.killing.trial import Death, Trial, Weather


def _bot(
    label: str,
    target: str,
    when: Literal["before", "after"],
    call: int = 1,
    *,
    within: str | None = None,
    weather: Weather = Weather.FINE,
) -> Trial:
    death = Death(target=target, when=when, call=call, within=within)
    return Trial(label=label, lives=(death,), weather=weather)


def _again(
    label: str,
    first: Death,
    target: str,
    when: Literal["before", "after"],
    call: int = 1,
    *,
    within: str | None = None,
    weather: Weather = Weather.FINE,
) -> Trial:
    second = Death(target=target, when=when, call=call, within=within)
    return Trial(label=label, lives=(first, second), weather=weather)


def _engine(
    label: str, target: str, when: Literal["before", "after", "torn"], call: int = 1
) -> Trial:
    return Trial(label=label, engine=Death(target=target, when=when, call=call))


DEFER = "http POST /interactions/*/callback"
EDIT = "http PATCH /webhooks/*/messages/*"
POST = "http POST /channels/*/messages"
PATCH = "http PATCH /channels/*/messages/*"
HISTORY = "http GET /channels/*/messages"
ORIGINAL = "http GET /webhooks/*/messages/@original"

SERVICE = "bot.jobs.service:JobService"
JOBS = "bot.storage.jobs:JobStore"
MARK = "bot.storage.outbox:Outbox.mark_delivered"
WRITE = "bot.storage.files:ContentFolder.write"
PUT = "bot.storage.images:ImageStore.put"
TAKE = "bot.discord_ui.intake:Intake.take"
STORE = "bot.jobs.flight:Flight._store"
PROGRESS = "bot.jobs.flight:Flight._progress"
ATTEMPT = "bot.discord_ui.courier:Courier._attempt"
FOLLOW = "bot.discord_ui.follower:Follower._edit"
REACTIONS = "bot.discord_ui.reactions:Reactions"
LOOP = "inference.executors.loop:Loop"
MODELS = "inference.executors.models:Models"

RUNNING = Death(target=PROGRESS, when="before", call=6)
RECEIVED = Death(target=DEFER, when="after", call=8)
FINISHED = Death(target=MARK, when="before", call=2)

ASKING = (
    _bot("recorded: before the row", f"{SERVICE}.receive", "before", 9),
    _bot("recorded: row not committed", "bot.storage.arrivals:_job", "after", 8),
    _bot("recorded: row, not acknowledged", f"{SERVICE}.receive", "after", 9),
    _bot("acknowledged: before the request", DEFER, "before", 9),
    _bot("acknowledged: answered", DEFER, "after", 9),
    _bot("acknowledged: its answer lost", DEFER, "after", 8, weather=Weather.LOST_DEFER),
    _bot("acknowledged: message not noted", f"{SERVICE}.set_message", "before", 9),
    _bot("acknowledged: message noted", f"{SERVICE}.set_message", "after", 9),
    _bot("fetched: before the download", "http GET /attachments/*", "before", 6),
    _bot("fetched: headers have come", "http GET /attachments/*", "after", 6),
    _bot("fetched: bytes are here", "bot.discord_ui.intake:fetch", "after", 6),
    _bot("fetched: normalised", "bot.pictures:PictureWorker.normalise", "after", 6),
    _bot("source: before its file", WRITE, "before", 6, within=TAKE),
    _bot("source: file not renamed", "pathlib:Path.replace", "before", 6, within=TAKE),
    _bot("source: file without a row", WRITE, "after", 6, within=TAKE),
    _bot("source: stored", PUT, "after", 6, within=TAKE),
    _bot("queued: before the row", f"{JOBS}.enqueue", "before", 8),
    _bot(
        "queued: not committed",
        "bot.storage.shares:lift",
        "after",
        8,
        within=f"{JOBS}.enqueue",
    ),
    _bot("queued: all ten", f"{JOBS}.enqueue", "after", 10),
    _bot("die: before its row", f"{REACTIONS}._record", "before"),
    _bot("die: its row", f"{REACTIONS}._record", "after"),
    _bot("die: before its placeholder", POST, "before"),
    _bot("die: placeholder posted", POST, "after"),
    _bot("die: placeholder posted, long down", POST, "after", weather=Weather.FORGOTTEN),
    _bot(
        "die: placeholder noted", f"{SERVICE}.set_message", "after", within=f"{REACTIONS}.carry_on"
    ),
    _bot("die: its answer lost, posted again", POST, "after", 2, weather=Weather.LOST_ASK),
)

PAINTING = (
    _bot("claimed: before the row", f"{JOBS}.claim", "before", 3),
    _bot("claimed: not committed", "bot.storage.shares:charge", "after", 3, within=f"{JOBS}.claim"),
    _bot("claimed: row", f"{JOBS}.claim", "after", 3),
    _bot(
        "painted: source read",
        "bot.storage.images:ImageStore.get",
        "after",
        2,
        within="bot.jobs.flight:Flight._generate",
    ),
    _bot(
        "painted: before the engine has it",
        "inference.executors.process:ProcessExecutor.generate",
        "before",
        4,
    ),
    _bot("painted: the engine has it", "inference.executors.child:ChildProcess.send", "after", 3),
    _bot("painted: first progress", PROGRESS, "before"),
    _bot("painted: progress of several", PROGRESS, "before", 12),
    _bot("painted: late progress", PROGRESS, "before", 40),
    _bot("shown: before an edit", EDIT, "before", 3, within=FOLLOW),
    _bot("shown: edit answered", EDIT, "after", 3, within=FOLLOW),
    _bot("shown: fifth edit answered", EDIT, "after", 5, within=FOLLOW),
    _bot("finished: pictures are here", STORE, "before", 1),
    _bot("finished: before a file", WRITE, "before", 2, within=STORE),
    _bot("finished: file not renamed", "pathlib:Path.replace", "before", 2, within=STORE),
    _bot("finished: file without a row", WRITE, "after", 2, within=STORE),
    _bot("finished: stored, row RUNNING", f"{JOBS}.finish", "before", 3),
    _bot("finished: not committed", f"{JOBS}._end", "after", 2, within=f"{JOBS}.finish"),
    _bot("finished: row SUCCEEDED", f"{JOBS}.finish", "after", 3),
)

DELIVERING = (
    _bot("delivered: before it is begun", "bot.discord_ui.courier:Courier.deliver", "before", 2),
    _bot("delivered: card made", "bot.discord_ui.courier:Courier._card", "after", 3),
    _bot("delivered: before the edit", EDIT, "before", 3, within=ATTEMPT),
    _bot("delivered: edit answered", EDIT, "after", 3, within=ATTEMPT),
    _bot(
        "delivered: edit's answer lost",
        EDIT,
        "after",
        2,
        within=ATTEMPT,
        weather=Weather.LOST_EDIT,
    ),
    _bot("delivered: before the mark", MARK, "before", 4),
    _bot("delivered: mark not committed", "bot.storage.outbox:read", "after", 3, within=MARK),
    _bot("delivered: marked", MARK, "after", 4),
    _bot("delivered: last one marked", MARK, "after", 10),
    _bot("expired: edit refused", EDIT, "after", 2, within=ATTEMPT, weather=Weather.EXPIRED),
    _bot("expired: before the post", POST, "before", 2, within=ATTEMPT, weather=Weather.EXPIRED),
    _bot("expired: post answered", POST, "after", 2, within=ATTEMPT, weather=Weather.EXPIRED),
    _bot(
        "expired: post answered, long down",
        POST,
        "after",
        3,
        within=ATTEMPT,
        weather=Weather.FORGOTTEN_POST,
    ),
    _bot(
        "expired: post's answer lost",
        POST,
        "after",
        2,
        within=ATTEMPT,
        weather=Weather.LOST_POST,
    ),
    _bot("expired: before the mark", MARK, "before", 3, weather=Weather.EXPIRED),
    _bot("expired: marked", MARK, "after", 3, weather=Weather.EXPIRED),
    _bot(
        "expired: before the old one is retired",
        PATCH,
        "before",
        3,
        within=ATTEMPT,
        weather=Weather.EXPIRED,
    ),
    _bot(
        "expired: the old one is retired",
        PATCH,
        "after",
        3,
        within=ATTEMPT,
        weather=Weather.EXPIRED,
    ),
)

RECOVERING = (
    _again("restart: before recovery", RUNNING, f"{JOBS}.recover", "before"),
    _again("restart: recovery not committed", RUNNING, f"{JOBS}._back", "after"),
    _again("restart: recovered", RUNNING, f"{JOBS}.recover", "after"),
    _again(
        "restart: tokens forgotten",
        RUNNING,
        "bot.storage.outbox:Outbox.forget_expired_tokens",
        "after",
    ),
    _again("restart: pictures swept", RUNNING, "bot.storage.images:ImageStore.sweep", "after"),
    _again("restart: claimed again", RUNNING, f"{JOBS}.claim", "after", 2),
    _again("restart: painted again", RUNNING, PROGRESS, "before", 6),
    _again("restart: before it asks for the ack", RECEIVED, ORIGINAL, "before"),
    _again("restart: the ack is known", RECEIVED, ORIGINAL, "after", 2),
    _again("restart: ack noted", RECEIVED, "bot.discord_ui.flows:Flows.submit", "before", 3),
    _again("restart: queued after all", RECEIVED, f"{JOBS}.enqueue", "after", 4),
    _again("restart: before a second edit", FINISHED, EDIT, "before", within=ATTEMPT),
    _again("restart: second edit answered", FINISHED, EDIT, "after", within=ATTEMPT),
    _again(
        "restart: before it looks for the post",
        FINISHED,
        HISTORY,
        "before",
        weather=Weather.FORGOTTEN_POST,
    ),
    _again(
        "restart: has found the post",
        FINISHED,
        HISTORY,
        "after",
        weather=Weather.FORGOTTEN_POST,
    ),
    _again("restart: marked at last", FINISHED, MARK, "after", 2, weather=Weather.EXPIRED),
)

ENGINE = (
    _engine("engine: before it loads", f"{MODELS}._load", "before"),
    _engine("engine: loaded", f"{MODELS}._load", "after"),
    _engine("engine: said it is ready", f"{LOOP}._use", "after"),
    _engine("engine: before the first run", f"{LOOP}._submit", "before"),
    _engine("engine: took the second run", f"{LOOP}._submit", "after", 2),
    _engine("engine: first progress", f"{LOOP}._advance", "before"),
    _engine("engine: fifth progress", f"{LOOP}._advance", "after", 5),
    _engine("engine: progress 30", f"{LOOP}._advance", "after", 30),
    _engine("engine: between two steps", f"{LOOP}._step", "after", 3),
    _engine("engine: finished, not told", f"{LOOP}._finish", "before"),
    _engine("engine: first one told", f"{LOOP}._finish", "after"),
    _engine("engine: sixth one told", f"{LOOP}._finish", "after", 6),
    _engine("engine: all told, idle", f"{LOOP}._finish", "after", 10),
    _engine("engine: in the middle of a message", "inference.executors.worker:_Outbox", "torn", 3),
    Trial(
        label="engine, then the bot: before the requeue",
        engine=Death(target=f"{LOOP}._advance", when="after", call=5),
        lives=(Death(target=f"{JOBS}.requeue", when="before"),),
    ),
    Trial(
        label="engine, then the bot: requeued",
        engine=Death(target=f"{LOOP}._advance", when="after", call=5),
        lives=(Death(target=f"{JOBS}.requeue", when="after"),),
    ),
)

POINTS = (*ASKING, *PAINTING, *DELIVERING, *RECOVERING, *ENGINE)


def trial(label: str) -> Trial:
    """The trial of that name. Raises StopIteration where there is none."""
    return next(one for one in POINTS if one.label == label)
