"""The HTTP side: the REST API under ``/api/v10``, the CDN, and a door for tests elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from bot.sandbox import limits, simcord_host
from bot.sandbox.calls import Answer, Call, UploadedFile
from bot.sandbox.changes import Changes
from bot.sandbox.gateway import Gateway
from bot.sandbox.simcord_host import Host
from bot.sandbox.weather import Weather
from bot.sandbox.wire import MIB, Polish, SignedAddresses

log = logging.getLogger(__name__)

REMEMBERED_REQUESTS = 50_000
LARGEST_REQUEST = 1100 * MIB
FILE_FIELD = re.compile(r"files\[(\d+)\]")
SNOWFLAKE = re.compile(r"\d{15,20}")


@dataclass(frozen=True, kw_only=True)
class SentFile:
    """A file that came with a request."""

    name: str
    size: int
    content_type: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request that the bot made, and what it was told."""

    method: str
    route: str
    """The path's template in SimCord, such as ``/channels/{channel_id}/messages``."""
    path: str
    query: Mapping[str, str]
    json: Any
    files: tuple[SentFile, ...]
    status: int
    response: Any
    headers: Mapping[str, str]
    """Of the response."""
    started: float
    """Seconds since the epoch."""
    seconds: float
    trouble: str | None = None
    """Set where the sandbox itself could not serve the request."""

    def summary(self) -> dict[str, Any]:
        """As JSON can carry it."""
        values = {k: v for k, v in vars(self).items() if k not in ("files", "headers")}
        return values | {"files": [vars(one) for one in self.files]}


@dataclass
class Front:
    """Everything between the socket and SimCord, in the order in which Discord asks it."""

    host: Host
    changes: Changes
    gateway: Gateway
    weather: Weather
    polish: Polish
    addresses: SignedAddresses
    token: str
    message_content: bool
    requests: deque[Request] = field(default_factory=lambda: deque(maxlen=REMEMBERED_REQUESTS))

    def __post_init__(self) -> None:
        self.rate_limits = limits.RateLimits()
        self.rules = limits.Rules(self.host, self.polish)

    def application(self) -> web.Application:
        """The routes of the one port."""
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_get("/attachments/{channel}/{id}/{name:.*}", self.attachment)
        app.router.add_get("/_sandbox/requests", self.list_requests)
        app.router.add_post("/_sandbox/weather", self.control_weather)
        app.router.add_route("*", r"/api/v{version:\d+}{path:/.*}", self.api)
        return app

    # ---------------------------------------------------------------- REST

    async def api(self, request: web.Request) -> web.StreamResponse:
        """Answer one REST call, and keep a record of it."""
        self.changes.request_started()
        started, clock = time.time(), time.monotonic()
        try:
            call, sent = await _read(request)
            route = simcord_host.route_of(call.method, call.path)
            answer, headers = await self._answer(call, route, request)
            body = self.polish(answer.body)
            if answer.trouble is not None:
                log.warning("The sandbox cannot do this: %s", answer.trouble)
            self.requests.append(
                Request(
                    method=call.method,
                    route=route,
                    path=call.path,
                    query=call.params,
                    json=call.json,
                    files=sent,
                    status=answer.status,
                    response=body,
                    headers=headers,
                    started=started,
                    seconds=time.monotonic() - clock,
                    trouble=answer.trouble,
                )
            )
        finally:
            self.changes.request_finished()
        if answer.status == 204:
            return web.Response(status=204, headers=headers)
        # discord.py reads JSON only where the type is exactly this, without a charset.
        headers = {**headers, "Content-Type": "application/json"}
        return web.Response(status=answer.status, body=json.dumps(body).encode(), headers=headers)

    async def _answer(
        self, call: Call, route: str, request: web.Request
    ) -> tuple[Answer, Mapping[str, str]]:
        if (spoiled := await self.weather.before(call, route)) is not None:
            return spoiled
        open_to_all = call.path.startswith(("/interactions/", "/webhooks/"))
        if not open_to_all and request.headers.get("Authorization") != f"Bot {self.token}":
            return Answer(status=401, body={"message": "401: Unauthorized", "code": 0}), {}
        verdict = self.rate_limits.ask(call.method, route, call.path)
        if verdict.retry_after:
            refusal = limits.too_many_requests(verdict.retry_after, everywhere=verdict.everywhere)
            return refusal, verdict.headers
        answer = self._serve(call)
        lost = self.weather.after(call, route)
        return lost or answer, verdict.headers

    def _serve(self, call: Call) -> Answer:
        if call.path in ("/gateway", "/gateway/bot"):
            return Answer(status=200, body=self._gateway_address(call.path))
        objection = self.rules.object_to(call)
        if objection is not None:
            return objection
        answer = simcord_host.answer(self.host, call, message_content=self.message_content)
        self.rules.remember(call, answer)
        if "/callback" in call.path and call.params.get("with_response") not in ("true", "1"):
            return Answer(status=204) if answer.status == 200 else answer
        return answer

    def _gateway_address(self, path: str) -> dict[str, Any]:
        if path == "/gateway":
            return {"url": self.gateway.url}
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return {"url": self.gateway.url, "shards": 1, "session_start_limit": limit}

    # ----------------------------------------------------------------- CDN

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        """A file of the CDN, while its signature is good."""
        raw_path = request.rel_url.raw_path
        found = None
        if self.addresses.is_valid(raw_path, request.query_string):
            found = simcord_host.attachment_bytes(self.host, int(request.match_info["id"]))
        if found is None:
            return web.Response(status=404, text="This content is no longer available.")
        _name, content_type, data = found
        response = web.StreamResponse(headers={"Content-Type": content_type})
        response.content_length = len(data)
        await response.prepare(request)
        if self.weather.stalls_next():
            await response.write(data[: len(data) // 2])
            await self.weather.until_lifted()
            data = data[len(data) // 2 :]
        await response.write(data)
        await response.write_eof()
        return response

    # ------------------------------------------------------------- the door

    async def list_requests(self, request: web.Request) -> web.Response:
        """The record, for a test in another process."""
        return web.json_response([one.summary() for one in self.requests])

    async def control_weather(self, request: web.Request) -> web.Response:
        """``{"name": "fail", "route": "PATCH *", "status": 503}``."""
        try:
            wanted = await request.json()
            done = await self.weather.apply(str(wanted.pop("name")), wanted)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"done": done})


async def _read(request: web.Request) -> tuple[Call, tuple[SentFile, ...]]:
    body: Any = None
    parts: dict[int, tuple[str, str, bytes]] = {}
    if request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            data = bytes(await part.read(decode=True))
            if part.name == "payload_json":
                body = await asyncio.to_thread(json.loads, data)
            elif (match := FILE_FIELD.fullmatch(part.name or "")) is not None:
                content_type = part.headers.get("Content-Type", "application/octet-stream")
                parts[int(match[1])] = (part.filename or "file", content_type, data)
    elif request.can_read_body:
        text = await request.text()
        body = json.loads(text) if text else None
    described = _descriptions(body)
    files = tuple(
        UploadedFile(filename=name, data=data, description=described.get(number))
        for number, (name, _type, data) in sorted(parts.items())
    )
    sent = tuple(
        SentFile(name=name, size=len(data), content_type=content_type)
        for _number, (name, content_type, data) in sorted(parts.items())
    )
    call = Call(
        method=request.method,
        path=request.match_info["path"],
        json=body,
        params=dict(request.query),
        files=files,
        reason=request.headers.get("X-Audit-Log-Reason"),
    )
    return call, sent


def _descriptions(body: Any) -> dict[int, str]:
    """The alt text of each file, which travels in the JSON beside it."""
    if not isinstance(body, dict):
        return {}
    inner = body.get("data") if isinstance(body.get("data"), dict) else body
    listed = (inner or {}).get("attachments") or []
    return {
        int(one["id"]): one["description"]
        for one in listed
        if one.get("description") and not SNOWFLAKE.fullmatch(str(one.get("id")))
    }
