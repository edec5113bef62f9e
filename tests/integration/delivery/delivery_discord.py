"""As much of Discord as a delivery meets, over a socket, with failures on demand."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

BOT_ID, APP_ID, GUILD_ID, CHANNEL_ID = 9001, 9001, 9002, 9003
EPOCH = 1420070400000


@dataclass
class Call:
    """One request that changed something, or was refused."""

    method: str
    path: str
    body: dict[str, Any]
    files: dict[str, bytes]
    at: float = field(default_factory=time.monotonic)

    @property
    def texts(self) -> str:
        return "\n".join(
            part["content"] for part in walk(self.body.get("components", [])) if part["type"] == 10
        )

    @property
    def buttons(self) -> list[str]:
        parts = walk(self.body.get("components", []))
        return [part["custom_id"].split(":")[1] for part in parts if part["type"] == 2]


def walk(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for component in components:
        found.append(component)
        found += walk(component.get("components", []))
        if "accessory" in component:
            found += walk([component["accessory"]])
    return found


@dataclass
class Trouble:
    """An answer that is given instead, `times` times; drop: nothing is answered."""

    applies: Callable[[Call], bool]
    status: int
    code: int
    times: int
    after: bool
    hold: asyncio.Event | None
    drop: bool


class Discord:
    """The server. `calls` are all requests in order; `messages` is what the channels show."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.messages: dict[int, dict[str, Any]] = {}
        self.originals: dict[str, int] = {}
        self.nonces: dict[str, int] = {}
        self.forgets_nonces = False
        self.troubles: list[Trouble] = []
        self.under_way = 0
        self.changed = asyncio.Condition()
        self._serial = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=200 * 2**20)
        route = app.router.add_route
        route("GET", "/users/@me", self._me)
        route("GET", "/oauth2/applications/@me", self._application)
        route("PATCH", "/webhooks/{app}/{token}/messages/{message}", self._edit_by_token)
        route("PATCH", "/channels/{channel}/messages/{message}", self._edit)
        route("POST", "/channels/{channel}/messages", self._post)
        route("GET", "/channels/{channel}/messages", self._history)
        route("GET", "/channels/{channel}/messages/{message}", self._get)
        return app

    # ------------------------------------------------------------ what tests do with it

    def placeholder(self, token: str | None, *, channel: int = CHANNEL_ID) -> int:
        """The "thinking…" message of an interaction, or one of the bot's own."""
        message = self._new(channel, {})
        if token is not None:
            self.originals[token] = int(message["id"])
        return int(message["id"])

    def fail(
        self,
        status: int,
        code: int = 0,
        *,
        when: Callable[[Call], bool] = lambda call: True,
        times: int = 10**6,
        after: bool = False,
        hold: asyncio.Event | None = None,
        drop: bool = False,
    ) -> None:
        """Answers with an error. after: although it is done; hold: only once that is set."""
        self.troubles.append(Trouble(when, status, code, times, after, hold, drop))

    def of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def shown(self, message_id: int) -> Call:
        return Call("", "", self.messages[message_id], {})

    async def until(self, condition: Callable[[], object], *, seconds: float = 10) -> None:
        """Waits until something that a request changes has become true."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: bool(condition()))

    # ------------------------------------------------------------ what the bot calls

    async def _me(self, _request: web.Request) -> web.Response:
        return _json(_user(BOT_ID, "palimpsest", bot=True))

    async def _application(self, _request: web.Request) -> web.Response:
        return _json(
            {
                "id": str(APP_ID),
                "name": "palimpsest",
                "icon": None,
                "description": "",
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "",
                "flags": 0,
                "team": None,
                "owner": _user(1, "owner"),
            }
        )

    async def _edit_by_token(self, request: web.Request) -> web.StreamResponse:
        def act(call: Call) -> web.Response:
            named = request.match_info["message"]
            message_id = (
                self.originals.get(request.match_info["token"], 0)
                if named == "@original"
                else int(named)
            )
            return self._change(message_id, call)

        return await self._take(request, act)

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        return await self._take(
            request, lambda call: self._change(int(request.match_info["message"]), call)
        )

    async def _post(self, request: web.Request) -> web.StreamResponse:
        def act(call: Call) -> web.Response:
            nonce = call.body.get("nonce")
            if nonce in self.nonces and call.body.get("enforce_nonce") and not self.forgets_nonces:
                return _json(self.messages[self.nonces[nonce]])
            message = self._new(int(request.match_info["channel"]), call.body)
            self._attach(message, call)
            if nonce is not None:
                self.nonces[nonce] = int(message["id"])
            return _json(message)

        return await self._take(request, act)

    async def _history(self, request: web.Request) -> web.StreamResponse:
        def act(_call: Call) -> web.Response:
            after = int(request.query.get("after", 0))
            limit = int(request.query.get("limit", 50))
            channel = request.match_info["channel"]
            found = [
                message
                for message_id, message in sorted(self.messages.items())
                if message["channel_id"] == channel and message_id > after
            ]
            return _json(found[:limit][::-1])

        return await self._take(request, act)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        def act(_call: Call) -> web.Response:
            message = self.messages.get(int(request.match_info["message"]))
            return _error(404, 10008) if message is None else _json(message)

        return await self._take(request, act)

    # ------------------------------------------------------------ inside

    async def _take(
        self, request: web.Request, act: Callable[[Call], web.Response]
    ) -> web.StreamResponse:
        body, files = await _read(request)
        call = Call(request.method, request.path, body, files)
        self.calls.append(call)
        self.under_way += 1
        async with self.changed:
            self.changed.notify_all()
        try:
            return await self._answer(request, call, act)
        finally:
            self.under_way -= 1
            async with self.changed:
                self.changed.notify_all()

    async def _answer(
        self, request: web.Request, call: Call, act: Callable[[Call], web.Response]
    ) -> web.StreamResponse:
        trouble = next((one for one in self.troubles if one.times and one.applies(call)), None)
        if trouble is None:
            return act(call)
        trouble.times -= 1
        if trouble.hold is not None:
            await trouble.hold.wait()
            if trouble.status == 200:
                return act(call)
        if trouble.after:
            act(call)
        if trouble.drop:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return _error(trouble.status, trouble.code)

    def _new(self, channel: int, body: dict[str, Any]) -> dict[str, Any]:
        self._serial += 1
        snowflake = (int(time.time() * 1000) - EPOCH) << 22 | self._serial
        message = {
            "id": str(snowflake),
            "channel_id": str(channel),
            "author": _user(BOT_ID, "palimpsest", bot=True),
            "type": 0,
            "content": "",
            "timestamp": "2026-01-01T00:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "embeds": [],
            "pinned": False,
            "attachments": [],
            "flags": body.get("flags", 0),
            "components": _as_shown(body.get("components", [])),
        }
        self.messages[snowflake] = message
        return message

    def _change(self, message_id: int, call: Call) -> web.Response:
        message = self.messages.get(message_id)
        if message is None:
            return _error(404, 10008)
        message["components"] = _as_shown(call.body["components"])
        message["flags"] = call.body.get("flags", 0)
        self._attach(message, call)
        return _json(message)

    def _attach(self, message: dict[str, Any], call: Call) -> None:
        named = [one["filename"] for one in call.body.get("attachments", [])]
        assert named == list(call.files), "every attachment is uploaded, nothing else"
        for part in walk(call.body["components"]):
            for media in [part.get("media"), *(i["media"] for i in part.get("items", []))]:
                if media is not None:
                    assert media["url"].removeprefix("attachment://") in named
        message["attachments"] = [
            {
                "id": str(number),
                "filename": name,
                "size": len(data),
                "url": f"https://cdn.invalid/{name}",
                "proxy_url": f"https://cdn.invalid/{name}",
            }
            for number, (name, data) in enumerate(call.files.items(), start=1)
        ]


def _as_shown(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Numbered, as Discord gives components back."""
    shown: list[dict[str, Any]] = json.loads(json.dumps(components))
    for number, part in enumerate(walk(shown), start=1):
        part["id"] = number
    return shown


def _user(user_id: int, name: str, *, bot: bool = False) -> dict[str, Any]:
    return {
        "id": str(user_id),
        "username": name,
        "discriminator": "0",
        "avatar": None,
        "global_name": None,
        "bot": bot,
    }


def _json(
    data: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """discord.py parses a body only where the type is exactly this."""
    kind = {"Content-Type": "application/json"}
    return web.Response(
        body=json.dumps(data).encode(), status=status, headers=kind | (headers or {})
    )


def _error(status: int, code: int) -> web.Response:
    headers = {"Via": "1.1 test"} if status == 429 else {}
    body = {"message": "no", "code": code, "retry_after": 0.05}
    return _json(body, status=status, headers=headers)


async def _read(request: web.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    if request.content_type != "multipart/form-data":
        return (await request.json() if request.can_read_body else {}), {}
    body: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    async for part in await request.multipart():
        if part.name == "payload_json":
            body = json.loads(await part.text())
        else:
            files[part.filename or ""] = bytes(await part.read())
    return body, files
