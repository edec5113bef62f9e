"""SimCord as a server for a bot in another process. All knowledge of its internals is here.

SimCord drives a bot inside its own process: it patches the event loop and the clock, and waits
for every task that the bot started. ``Host`` does none of that. Its bot is an inert client that
never connects, its clock is the real one, and "settled" means that the wire has been quiet.
"""

# SimCord may be absent where types are checked; everything it hands out is then Any.
# mypy: disallow-subclassing-any=False, warn-return-any=False, warn-redundant-casts=False

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import discord
from aiohttp import web
from simcord import Env
from simcord._clock import Clock
from simcord.actors import MemberActor, _autocomplete_result
from simcord.backend import Backend, serializers
from simcord.backend.cdn import CdnStore
from simcord.backend.errors import BackendError
from simcord.backend.models import Interaction, Message
from simcord.builders import ChannelHandle
from simcord.gateway import FakeGateway
from simcord.http import routes as _routes  # noqa: F401  (importing it registers every route)
from simcord.http.router import _ROUTES, RouteNotImplemented, UnsupportedField, dispatch
from simcord.preview import Preview
from simcord.results import InteractionResult, ResponseMessage

from bot.sandbox.calls import Answer, Call, Json
from bot.sandbox.changes import Changes

log = logging.getLogger(__name__)

WORLD_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
"""The world is built at this instant, which makes its ids the same every time."""

MOST_BYTES = 2 * 1024**3
"""Attachments beyond this are forgotten, the oldest first: a sandbox may run for days."""

QUIET_SECONDS = 0.12
PAGE_PATIENCE_SECONDS = 3.3


class _WorldClock(Clock):
    """Stands still while the world is built, then tells the real time."""

    def __init__(self) -> None:
        super().__init__()
        self._running = False

    def start(self) -> None:
        self._running = True

    def now(self) -> datetime:
        return datetime.now(UTC) if self._running else WORLD_EPOCH


class _Cdn(CdnStore):
    """Attachments at http addresses, with a size in pixels where the file is a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.address: Callable[[int, int, str], str] = lambda c, a, f: f"http://cdn/{c}/{a}/{f}"
        self.measure: Callable[[bytes], tuple[int, int] | None] = lambda _data: None
        self.uploads: dict[int, tuple[str, str, bytes]] = {}
        self._places: dict[int, tuple[int, str]] = {}
        self._held = 0

    def store_attachment(
        self,
        attachment_id: int,
        channel_id: int,
        filename: str,
        data: bytes,
        description: str | None,
    ) -> Json:
        payload = super().store_attachment(attachment_id, channel_id, filename, data, description)
        self._blobs.pop(payload["url"], None)
        payload["url"] = payload["proxy_url"] = self.address(channel_id, attachment_id, filename)
        self._blobs[payload["url"]] = data
        self._held += len(data)
        while self._held > MOST_BYTES and self.uploads:
            oldest = next(iter(self.uploads))
            channel, name, gone = *self._places.pop(oldest), self.uploads.pop(oldest)[2]
            self._blobs.pop(self.address(channel, oldest, name), None)
            self._held -= len(gone)
        self._places[attachment_id] = (channel_id, filename)
        self.uploads[attachment_id] = (filename, payload["content_type"], data)
        if (size := self.measure(data)) is not None:
            payload["width"], payload["height"] = size
        return payload

    def get(self, url: str) -> bytes | None:
        return self._blobs.get(url, self._blobs.get(url.partition("?")[0]))


class _Backend(Backend):
    """Announces what changes, which messages it touches, and how often they are edited."""

    def __init__(self, clock: Clock, changes: Changes) -> None:
        self._changes = changes
        self.edits: dict[int, list[float]] = {}
        self.touches: list[int] = []
        self.touched: dict[int, int] = {}
        super().__init__(clock=clock)
        self.cdn = _Cdn()
        # SimCord keeps every request and event for ever; a sandbox may run for days.
        self.http_requests = cast(Any, deque(maxlen=200))
        self.transcript = cast(Any, deque(maxlen=200))

    def _touch(self, message_id: int) -> None:
        self.touches.append(message_id)
        self.touched[message_id] = len(self.touches)
        self._changes.announce()

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        super().emit(event, payload)
        if event.startswith("MESSAGE_"):
            for one in payload.get("ids") or [payload.get("message_id") or payload.get("id")]:
                self._touch(int(one))
        self._changes.announce()

    # Ephemeral messages come, change and go without an event.
    def commit_message(self, message: Message, *, broadcast: bool = True) -> Message:
        committed = super().commit_message(message, broadcast=broadcast)
        self._touch(message.id)
        return committed

    def edit_message(self, channel_id: int, message_id: int, fields: Json) -> Message:
        message = super().edit_message(channel_id, message_id, fields)
        self.edits.setdefault(message_id, []).append(time.time())
        self._touch(message_id)
        return message

    def delete_message(self, channel_id: int, message_id: int) -> None:
        super().delete_message(channel_id, message_id)
        self._touch(message_id)


class Host(Env):
    """An ``Env`` whose bot lives elsewhere."""

    backend: _Backend

    def __init__(self, changes: Changes, name: str) -> None:
        super().__init__(discord.Client(intents=discord.Intents(guilds=True)))
        self.changes = changes
        self.clock = _WorldClock()
        self.backend = _Backend(self.clock, changes)
        self.backend.bot_user.name = name
        self._started = True
        self._generation = 1  # 0 would make the page reject every action
        self.has_bot: Callable[[], bool] = lambda: False

    def open(self, address: Callable[[int, int, str], str], measure: Any) -> None:
        """Set the clock going and attachments at real addresses: the world is built."""
        cdn = cast(_Cdn, self.backend.cdn)
        cdn.address, cdn.measure = address, measure
        self.clock.start()

    # SimCord allows one operation at a time. Here members act at once, as people do.
    def _begin_operation(self, label: str) -> None: ...

    def _end_operation(self) -> None: ...

    def _mark_mutation(self) -> None:
        if self._preview is not None:
            self._preview._mark_action_dispatched()

    async def _settle_internal(self, **_: Any) -> None:
        """Only the page waits: until its interaction is answered and the wire is quiet."""
        preview = self._preview
        if preview is None or preview._active_task is not asyncio.current_task():
            return
        action = preview._active_action
        began = time.monotonic()
        while self.has_bot() and time.monotonic() - began < PAGE_PATIENCE_SECONDS:
            record = action.interaction if action is not None else None
            answered = record is None or record.responded
            if answered and self.changes.quiet_since(began, QUIET_SECONDS):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changes.next(), 0.05)


def answer(host: Host, call: Call, *, message_content: bool) -> Answer:
    """Let SimCord carry out a call."""
    try:
        body = dispatch(
            host.backend,
            call.method,
            call.path,
            json=call.json,
            params=dict(call.params),
            files=list(call.files),
            reason=call.reason,
            message_content_access=message_content,
        )
    except (RouteNotImplemented, UnsupportedField) as error:
        return Answer(status=501, body=error.to_json(), trouble=error.message)
    except BackendError as error:
        return Answer(status=error.status, body=error.to_json())
    except Exception as error:
        log.exception("SimCord failed on %s %s", call.method, call.path)
        trouble = f"{type(error).__name__}: {error}"
        return Answer(status=500, body={"code": 0, "message": trouble}, trouble=trouble)
    return Answer(status=204 if body is None else 200, body=body)


def route_of(method: str, path: str) -> str:
    """The template that a path matches, most literal first; the path itself if none does."""
    parts = path.strip("/").split("/")
    best, most = path, -1
    for template, _handler in _ROUTES.get(method, ()):
        if len(template) != len(parts):
            continue
        same = [a == b for a, b in zip(template, parts, strict=True)]
        fits = all(s or a.startswith("{") for s, a in zip(same, template, strict=True))
        if fits and sum(same) > most:
            best, most = "/" + "/".join(template), sum(same)
    return best


def message_json(host: Host, channel_id: int, message_id: int) -> Json | None:
    """A message as the API gives it; None if it is gone."""
    message = host.backend.messages.get(channel_id, {}).get(message_id)
    return dict(serializers.message_payload(host.backend, message)) if message else None


# --------------------------------------------------------------- gateway


class _Parsers(dict[str, Callable[[Json], None]]):
    """Takes the place of discord.py's event parsers: every event goes onto the wire."""

    def __init__(self, send: Callable[[str, Json], None]) -> None:
        super().__init__()
        self._send = send

    def __missing__(self, event: str) -> Callable[[Json], None]:
        return lambda payload: self._send(event, payload)


def subscribe(host: Host, intents: int, send: Callable[[str, Json], None]) -> Callable[[], None]:
    """Feed ``send`` what a session with these intents may see; returns the way out."""
    flags = discord.Intents._from_value(intents)
    gateway = FakeGateway(host.backend, SimpleNamespace(intents=flags, parsers=_Parsers(send)))
    host.backend.subscribers.append(gateway.feed)
    return lambda: host.backend.subscribers.remove(gateway.feed)


def feed_guilds(host: Host, intents: int, send: Callable[[str, Json], None], mine: Any) -> None:
    """Send a GUILD_CREATE for every guild for which ``mine`` is true."""
    flags = discord.Intents._from_value(intents)
    gateway = FakeGateway(host.backend, SimpleNamespace(intents=flags, parsers=_Parsers(send)))
    for guild in list(host.backend.guilds.values()):
        if mine(guild.id):
            payload = serializers.guild_create_payload(host.backend, guild)
            gateway.feed("GUILD_CREATE", cast(Json, payload))


def bot_json(host: Host) -> Json:
    """The bot's own user."""
    return dict(serializers.user_payload(host.backend.bot_user))


def members_json(host: Host, guild_id: int, wanted: Json) -> list[Json]:
    """Whom REQUEST_GUILD_MEMBERS asks for."""
    guild = host.backend.guilds.get(guild_id)
    if guild is None:
        return []
    ids = wanted.get("user_ids") or []
    chosen = {int(one) for one in (ids if isinstance(ids, list) else [ids])}
    prefix = str(wanted.get("query") or "").lower()
    found = [
        dict(serializers.member_payload(host.backend, guild, member))
        for member in guild.members.values()
        if (member.user_id in chosen if chosen else True)
        and host.backend.users[member.user_id].name.lower().startswith(prefix)
    ]
    return found[: int(wanted.get("limit") or 0) or None]


# --------------------------------------------------------------- members


def shown(host: Host, channel_id: int, message_id: int) -> ResponseMessage:
    """A message in the form that SimCord's actors take."""
    return ResponseMessage(host, host.backend.get_message(channel_id, message_id))


def interaction_of(result: InteractionResult) -> Interaction:
    """The record that lives on behind a result."""
    return result._interaction


async def autocomplete(
    actor: MemberActor,
    channel: ChannelHandle,
    *,
    command: str,
    option: str,
    text: str,
    filled: Json,
) -> Interaction:
    """Ask for choices; they are on the record once the bot has answered."""
    result = await _autocomplete_result(actor, channel, command, option, text, filled)
    return result._interaction


def attachment_bytes(host: Host, attachment_id: int) -> tuple[str, str, bytes] | None:
    """Name, type and bytes of an attachment."""
    return cast(_Cdn, host.backend.cdn).uploads.get(attachment_id)


# ------------------------------------------------------------------ page


def refresh_pages(preview: Preview) -> bool:
    """Publish what is new to every page in a browser; not while one of them is acting."""
    if preview._closed or preview._active_action is not None:
        return False
    preview._advance_presentation_time()
    for page in tuple(preview._pages.values()):
        if page.id in preview._pages and page is not preview._python:
            preview._publish(page, reason="refresh")
    return True


def forgive_late_clicks(preview: Preview) -> None:
    """Let a click land that was aimed just before a refresh.

    The page names the revision that it saw, and SimCord refuses any other. Here revisions pass
    while jobs progress, so a new action (not a replay) is taken against the present one. Whether
    its target is still there is checked all the same.
    """
    original = preview._action

    async def act(context_id: str | None, body: Mapping[str, Any]) -> Json:
        with contextlib.suppress(Exception):
            page = preview._get_page(context_id)
            if "published_revision" in body and body.get("sequence") == page.last_sequence + 1:
                body = {**body, "published_revision": page.revision}
        return await original(context_id, body)

    cast(Any, preview)._action = act


FOLLOW = (
    # The page is at the end of the channel, give or take the padding below the last message …
    ('clientHeight <= 1 ? "bottom"', 'clientHeight <= 48 ? "bottom"'),
    # … and stays there, unless somebody scrolls up: a picture that loads is not a person.
    (
        "    state.scrollIntent = captureScrollIntent();\n    if (",
        "    const up = ui.timeline.scrollTop < (ui.timeline.lastTop ?? 0) - 1;\n"
        "    ui.timeline.lastTop = ui.timeline.scrollTop;\n"
        '    if (!up && state.scrollIntent?.policy === "bottom") return;\n'
        "    state.scrollIntent = captureScrollIntent();\n    if (",
    ),
    (
        'if (state.scrollIntent?.policy !== "target") state',
        'if (!["target", "bottom"].includes(state.scrollIntent?.policy)) state',
    ),
)
"""Changes to the page's ``timeline.js``, which loses the end when a picture loads late."""


def follow_newest(preview: Preview) -> None:
    """Keep the newest message in view as cards grow. To be called before the page is served."""
    cast(Any, preview)._MAX_MEDIA_BYTES = MOST_BYTES // 4
    original = preview._server._static

    async def serve(request: web.Request) -> web.Response:
        response = await original(request)
        if request.path == "/timeline.js":
            response.text = patched(response.text)
        return response

    cast(Any, preview)._server._static = serve


def patched(script: str) -> str:
    """``timeline.js`` with ``FOLLOW`` applied."""
    for old, new in FOLLOW:
        if script.count(old) != 1:
            log.warning("SimCord's timeline.js is not the one this was made for: %s", old)
        script = script.replace(old, new)
    return script
