"""Makes a function of the product deadly from outside of it."""

import asyncio
import functools
import importlib
import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import Any

import aiohttp
from yarl import URL

from inference.executors.frames import encode
from inference.executors.messages import Finished
from tests.killing.trial import Death

Die = Callable[[], None]

_INSIDE: ContextVar[bool] = ContextVar("inside", default=False)
API = "/api/v10"


class Count:
    """Calls of the target so far; dies at the chosen one."""

    def __init__(self, death: Death, die: Die) -> None:
        self._death = death
        self._die = die
        self._calls = 0

    def note(self, moment: str) -> None:
        """A call is at this moment."""
        if moment != self._death.when or (self._death.within and not _INSIDE.get()):
            return
        self._calls += 1
        if self._calls == self._death.call:
            self._die()


def arm(death: Death, die: Die) -> None:
    """Wraps what the death names."""
    count = Count(death, die)
    if death.within is not None:
        _replace(death.within, _marked)
    if death.target.startswith("http "):
        aiohttp.ClientSession._request = _request(  # type: ignore[method-assign]
            aiohttp.ClientSession._request, death.target.removeprefix("http "), count
        )
    elif death.when == "torn":
        _replace(f"{death.target}.send", functools.partial(_torn, call=death.call, die=die))
    else:
        _replace(death.target, functools.partial(_deadly, count=count))


def _replace(target: str, wrap: Callable[[Any], Any]) -> None:
    """target: ``module:name`` or ``module:Class.name``."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    setattr(owner, name, wrap(inspect.getattr_static(owner, name)))


def _deadly(function: Any, *, count: Count) -> Any:
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(*arguments: Any, **options: Any) -> Any:
            count.note("before")
            result = await function(*arguments, **options)
            count.note("after")
            return result

        return later

    @functools.wraps(function)
    def now(*arguments: Any, **options: Any) -> Any:
        count.note("before")
        result = function(*arguments, **options)
        count.note("after")
        return result

    return now


def _marked(function: Any) -> Any:
    if asyncio.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(*arguments: Any, **options: Any) -> Any:
            with _inside():
                return await function(*arguments, **options)

        return later

    @functools.wraps(function)
    def now(*arguments: Any, **options: Any) -> Any:
        with _inside():
            return function(*arguments, **options)

    return now


@contextmanager
def _inside() -> Iterator[None]:
    token = _INSIDE.set(True)
    try:
        yield
    finally:
        _INSIDE.reset(token)


def _request(function: Any, pattern: str, count: Count) -> Any:
    """ "after": the headers of the answer have come, so the request has taken effect."""

    @functools.wraps(function)
    async def request(session: Any, method: str, url: str | URL, **options: Any) -> Any:
        path = URL(url).path.removeprefix(API)
        if not fnmatchcase(f"{method} {path}", pattern):
            return await function(session, method, url, **options)
        count.note("before")
        response = await function(session, method, url, **options)
        count.note("after")
        return response

    return request


def _torn(send: Any, *, call: int, die: Die) -> Any:
    """Of the engine's outcomes, the chosen one is written by half."""
    seen = itertools.count(1)

    def half(outbox: Any, message: Any) -> None:
        if isinstance(message, Finished) and next(seen) == call:
            frame = encode(message)
            outbox._stream.write(frame[: len(frame) // 2])
            outbox._stream.flush()
            die()
        send(outbox, message)

    return half
