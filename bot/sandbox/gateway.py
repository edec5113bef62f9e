"""The gateway: one session per IDENTIFY, resumable, compressed, as discord.py expects it."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import zlib
from collections import deque
from collections.abc import Callable

from aiohttp import WSMsgType, web

from bot.sandbox import simcord_host
from bot.sandbox.calls import Json
from bot.sandbox.changes import Changes
from bot.sandbox.simcord_host import Host

log = logging.getLogger(__name__)

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, REQUEST_MEMBERS = 0, 1, 2, 6, 7, 8
INVALID_SESSION, HELLO, HEARTBEAT_ACK = 9, 10, 11

PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15)
"""GUILD_MEMBERS, GUILD_PRESENCES, MESSAGE_CONTENT: ticked by hand in the developer portal."""

REMEMBERED_EVENTS = 5000


class Connection:
    """One WebSocket, with its own compression stream."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.transport = request.transport
        compressed = request.query.get("compress") == "zlib-stream"
        self._deflate = zlib.compressobj() if compressed else None
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def send(self, payload: Json) -> None:
        """Queue a frame; never waits."""
        self._queue.put_nowait(json.dumps(payload))

    async def write(self) -> None:
        """Carry the queue to the wire, in order, until the socket closes."""
        while not self.socket.closed:
            text = await self._queue.get()
            try:
                if self._deflate is None:
                    await self.socket.send_str(text)
                else:
                    data = self._deflate.compress(text.encode())
                    await self.socket.send_bytes(data + self._deflate.flush(zlib.Z_SYNC_FLUSH))
            except (ConnectionError, RuntimeError):
                return

    async def close(self, code: int | None) -> None:
        """With a close code; without one the line is simply cut."""
        if code is None:
            if self.transport is not None:
                self.transport.abort()
        else:
            await self.socket.close(code=code)


class Session:
    """What a bot identified for: it outlives its connections, and remembers for a resume."""

    def __init__(self, gateway: Gateway, intents: int, shard: tuple[int, int]) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.sequence = 0
        self.connection: Connection | None = None
        self._sent: deque[tuple[int, Json]] = deque(maxlen=REMEMBERED_EVENTS)
        self._polish = gateway.polish
        self._leave = simcord_host.subscribe(gateway.host, intents, self.offer)

    def owns(self, guild_id: int) -> bool:
        """Whether a guild belongs to this shard."""
        return (guild_id >> 22) % self.shard[1] == self.shard[0]

    def offer(self, event: str, payload: Json) -> None:
        """Send an event if it belongs to this shard; remember it for a resume either way."""
        is_guild = event in ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE")
        guild = payload.get("id" if is_guild else "guild_id")
        if self.owns(int(guild)) if guild is not None else self.shard[0] == 0:
            self.push(event, payload)

    def push(self, event: str, payload: Json) -> None:
        """Number, remember and send an event."""
        self.sequence += 1
        frame = {"op": DISPATCH, "t": event, "s": self.sequence, "d": self._polish(payload)}
        self._sent.append((self.sequence, frame))
        if self.connection is not None:
            self.connection.send(frame)

    def replay(self, connection: Connection, seen: int) -> bool:
        """Send what was missed after ``seen``; False if that is no longer remembered."""
        if seen > self.sequence or (self._sent and self._sent[0][0] > seen + 1):
            return False
        for number, frame in self._sent:
            if number > seen:
                connection.send(frame)
        self.connection = connection
        self.push("RESUMED", {})
        return True

    def end(self) -> None:
        """Forget the session: it can no longer be resumed."""
        self.connection = None
        self._leave()


class Gateway:
    """All sessions of all shards."""

    def __init__(
        self,
        host: Host,
        changes: Changes,
        *,
        token: str,
        privileged_intents: bool,
        polish: Callable[[Json], Json],
    ) -> None:
        self.host = host
        self.changes = changes
        self.token = token
        self.privileged_intents = privileged_intents
        self.polish = polish
        self.url = ""
        self.refuse_resumes = 0
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
        self._connections: set[Connection] = set()

    @property
    def connected(self) -> bool:
        """Whether a bot has identified and is still there."""
        return any(session.connection is not None for session in self.sessions.values())

    async def drop(self, code: int | None = None) -> int:
        """Cut every connection; the sessions stay, for a resume."""
        connections = list(self._connections)
        for connection in connections:
            await connection.close(code)
        return len(connections)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One WebSocket, from HELLO to its end."""
        socket = web.WebSocketResponse(max_msg_size=0, compress=False)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write())
        connection.send({"op": HELLO, "t": None, "s": None, "d": {"heartbeat_interval": 41250}})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(connection, json.loads(message.data))
        except ConnectionError:
            pass
        finally:
            self._connections.discard(connection)
            for session in self.sessions.values():
                if session.connection is connection:
                    session.connection = None
            writer.cancel()
            self.changes.announce()
        return socket

    async def _receive(self, connection: Connection, message: Json) -> None:
        op, data = message.get("op"), message.get("d")
        if op == HEARTBEAT:
            connection.send({"op": HEARTBEAT_ACK, "t": None, "s": None, "d": None})
        elif op == IDENTIFY and isinstance(data, dict):
            await self._identify(connection, data)
        elif op == RESUME and isinstance(data, dict):
            await self._resume(connection, data)
        elif op == REQUEST_MEMBERS and isinstance(data, dict):
            self._send_members(connection, data)

    async def _identify(self, connection: Connection, data: Json) -> None:
        if data.get("token") != self.token:
            await connection.socket.close(code=4004, message=b"Authentication failed.")
            return
        intents = int(data.get("intents", 0))
        if intents & PRIVILEGED and not self.privileged_intents:
            await connection.socket.close(code=4014, message=b"Disallowed intent(s).")
            return
        shard_id, shard_count = data.get("shard") or (0, 1)
        for old in [one for one in self.sessions.values() if one.connection is None]:
            old.end()
            del self.sessions[old.id]
        session = Session(self, intents, (int(shard_id), int(shard_count)))
        self.sessions[session.id] = session
        session.connection = connection
        mine = [one for one in self.host.backend.guilds if session.owns(one)]
        session.push(
            "READY",
            {
                "v": 10,
                "user": simcord_host.bot_json(self.host),
                "guilds": [{"id": str(one), "unavailable": True} for one in mine],
                "session_id": session.id,
                "session_type": "normal",
                "resume_gateway_url": self.url,
                "shard": list(session.shard),
                "application": {"id": str(self.host.backend.application_id), "flags": 0},
            },
        )
        simcord_host.feed_guilds(self.host, intents, session.push, session.owns)
        self.identified += 1
        self.changes.announce()

    async def _resume(self, connection: Connection, data: Json) -> None:
        session = self.sessions.get(str(data.get("session_id")))
        refused = self.refuse_resumes > 0
        if refused:
            self.refuse_resumes -= 1
        if refused or session is None or data.get("token") != self.token:
            connection.send({"op": INVALID_SESSION, "t": None, "s": None, "d": False})
        elif session.replay(connection, int(data.get("seq") or 0)):
            self.resumed += 1
            self.changes.announce()
        else:
            connection.send({"op": INVALID_SESSION, "t": None, "s": None, "d": False})

    def _send_members(self, connection: Connection, data: Json) -> None:
        session = next((s for s in self.sessions.values() if s.connection is connection), None)
        if session is None:
            return
        guild_id = int(data["guild_id"])
        found = simcord_host.members_json(self.host, guild_id, data)
        chunk: Json = {"guild_id": str(guild_id), "members": found, "chunk_index": 0}
        chunk |= {"chunk_count": 1, "not_found": []}
        if data.get("nonce"):
            chunk["nonce"] = data["nonce"]
        session.push("GUILD_MEMBERS_CHUNK", chunk)
