"""Serves health, metrics and the gallery to the owner, on 127.0.0.1 only."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from bot.errors import Gone
from bot.storage.images import ImageStore
from bot.storage.statistics import Statistics
from bot.web import gallery, metrics
from bot.web.lag import LoopLag
from inference.executors.base import ExecutorState

HOST = "127.0.0.1"


class Engine(Protocol):
    """What is shown of an executor."""

    @property
    def state(self) -> ExecutorState:
        """Where it is in its life."""

    @property
    def problem(self) -> str | None:
        """Why it is not ready, else None."""


class OwnerPages:
    """The handlers.

    gateway: seconds of the last gateway heartbeat's round trip, None while not connected.
    """

    def __init__(
        self,
        *,
        statistics: Statistics,
        images: ImageStore,
        engine: Engine,
        gateway: Callable[[], float | None],
    ) -> None:
        self._statistics = statistics
        self._images = images
        self._engine = engine
        self._gateway = gateway
        self._lag = LoopLag()

    def application(self) -> web.Application:
        """All routes."""
        application = web.Application()
        application.router.add_get("/", self._gallery)
        application.router.add_get("/health", self._health)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get(r"/pictures/{sha:[0-9a-f]{64}}", self._picture)
        return application

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[int]:
        """Listens on 127.0.0.1 until left; gives the port, a free one for 0."""
        runner = web.AppRunner(self.application(), access_log=None)
        await runner.setup()
        measuring = asyncio.create_task(self._lag.run())
        try:
            site = web.TCPSite(runner, HOST, port)
            await site.start()
            yield runner.addresses[0][1]
        finally:
            measuring.cancel()
            await runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        connected = self._gateway() is not None
        working = self._engine.state is not ExecutorState.FAILED
        body = {
            "gateway": "connected" if connected else "disconnected",
            "engine": self._engine.state.value,
            "problem": self._engine.problem,
        }
        return web.json_response(body, status=200 if connected and working else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        figures = await self._statistics.figures()
        text = metrics.render(
            figures,
            engine=self._engine.state,
            gateway_seconds=self._gateway(),
            loop_lag=self._lag.recent,
        )
        return web.Response(body=text, content_type="text/plain", charset="utf-8")

    async def _gallery(self, request: web.Request) -> web.Response:
        before = request.query.get("before", "")
        last = int(before) if before.isdecimal() and len(before) < 16 else None
        jobs = await self._statistics.latest(gallery.PAGE + 1, last)
        text = gallery.page(jobs[: gallery.PAGE], more=len(jobs) > gallery.PAGE)
        return web.Response(text=text, content_type="text/html")

    async def _picture(self, request: web.Request) -> web.Response:
        try:
            data = await self._images.get(request.match_info["sha"])
        except Gone as error:
            raise web.HTTPNotFound(text=str(error)) from error
        forever = {"Cache-Control": "private, max-age=31536000, immutable"}
        return web.Response(body=data, content_type="image/png", headers=forever)
