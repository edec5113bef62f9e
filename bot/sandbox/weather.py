"""Bad weather on demand: by call in a test, by flag for ``run_sandbox``, by HTTP from elsewhere."""

from __future__ import annotations

import asyncio
import fnmatch
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox import limits, lookups
from bot.sandbox.calls import Answer, Call
from bot.sandbox.gateway import Gateway
from bot.sandbox.simcord_host import Host
from bot.sandbox.wire import SignedAddresses

EDITS = "PATCH *"


@dataclass
class Trouble:
    """Something that befalls the next ``times`` calls that match ``route``."""

    kind: str
    route: str
    times: int
    status: int = 500
    code: int = 0
    message: str = ""
    seconds: float = 0.0
    everywhere: bool = False
    after: bool = False
    """The call takes effect and only its answer is lost: the worst kind."""

    def matches(self, call: Call, route: str) -> bool:
        """Whether it befalls this call."""
        wanted_method, _, wanted_path = self.route.partition(" ")
        if wanted_method not in (call.method, "*"):
            return False
        # A braced template must match to the letter; anything else is a shell pattern.
        return wanted_path == route or fnmatch.fnmatchcase(call.path, wanted_path)


class Weather:
    """Every method makes it worse; ``clear`` makes it fine again."""

    def __init__(self, host: Host, gateway: Gateway, addresses: SignedAddresses) -> None:
        self._host = host
        self._gateway = gateway
        self._addresses = addresses
        self._troubles: list[Trouble] = []
        self._stalls = 0
        self._lifted = asyncio.Event()
        self._later: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------- the API

    def clear(self) -> None:
        """Fine weather: nothing pending, and whatever stalls goes on."""
        self._troubles.clear()
        self._stalls = 0
        self._gateway.refuse_resumes = 0
        for task in self._later:
            task.cancel()
        self._lifted.set()
        self._lifted = asyncio.Event()

    async def drop_gateway(self, code: int | None = None) -> int:
        """Close every gateway connection with ``code``, or cut it without one."""
        return await self._gateway.drop(code)

    def refuse_resume(self, times: int = 1) -> None:
        """Answer the next resumes with INVALID_SESSION: the bot must identify anew."""
        self._gateway.refuse_resumes += times

    def fail(
        self,
        route: str = "* *",
        *,
        status: int = 503,
        code: int = 0,
        message: str = "Service Unavailable",
        times: int = 1,
        after: bool = False,
    ) -> None:
        """Fail calls. ``after=True``: they take effect first, and then the answer is lost."""
        self._troubles.append(
            Trouble("fail", route, times, status=status, code=code, message=message, after=after)
        )

    def slow(self, route: str = "* *", *, seconds: float = 2.0, times: int = 1) -> None:
        """Answer calls late."""
        self._troubles.append(Trouble("slow", route, times, seconds=seconds))

    def storm(
        self,
        route: str = "* *",
        *,
        retry_after: float = 1.0,
        times: int = 5,
        everywhere: bool = False,
    ) -> None:
        """Refuse calls with 429, on their route or ``everywhere`` (global)."""
        self._troubles.append(
            Trouble("storm", route, times, seconds=retry_after, everywhere=everywhere)
        )

    def refuse_edit(
        self,
        route: str = EDITS,
        *,
        status: int = 403,
        code: int = 50001,
        message: str = "Missing Access",
        times: int = 1,
    ) -> None:
        """Refuse to edit a message, whether by webhook or by bot token."""
        self.fail(route, status=status, code=code, message=message, times=times)

    def expire_token(self, interaction_id: int | None = None) -> int:
        """Interaction tokens die now, all of them or one; how many did."""
        return lookups.expire_tokens(self._host, interaction_id)

    def delete_channel(self, channel_id: int) -> None:
        """A channel is gone, with everything in it."""
        self._host.backend.delete_channel(int(channel_id))

    def delete_message(self, channel_id: int, message_id: int) -> None:
        """A message is gone, such as the placeholder of a job."""
        self._host.backend.delete_message(int(channel_id), int(message_id))

    def stall_attachment(self, times: int = 1) -> None:
        """The next downloads stop at half their bytes, until ``clear``."""
        self._stalls += times

    def expire_attachments(self) -> None:
        """Every attachment address given out until now is dead."""
        self._addresses.expire_all()

    # ------------------------------------------------- by name, from afar

    async def apply(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """``name`` with its arguments; ``after_seconds`` puts it off."""
        action = self._actions().get(name.replace("-", "_"))
        if action is None:
            raise ValueError(f"no weather named {name!r}; there is {', '.join(self._actions())}")
        values = dict(arguments)
        delay = float(values.pop("after_seconds", 0.0))
        if delay <= 0:
            return await action(**values)

        async def later() -> None:
            await asyncio.sleep(delay)
            await action(**values)

        task = asyncio.create_task(later())
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return None

    def _actions(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        def soon(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
            async def call(**values: Any) -> Any:
                return method(**values)

            return call

        actions: dict[str, Callable[..., Awaitable[Any]]] = {"drop_gateway": self.drop_gateway}
        for method in (
            self.clear,
            self.refuse_resume,
            self.fail,
            self.slow,
            self.storm,
            self.refuse_edit,
            self.expire_token,
            self.delete_channel,
            self.delete_message,
            self.stall_attachment,
            self.expire_attachments,
        ):
            actions[method.__name__] = soon(method)
        return actions

    # ------------------------------------------------- asked by the front

    def _next(self, call: Call, route: str, kinds: tuple[str, ...], after: bool) -> Trouble | None:
        for trouble in self._troubles:
            if trouble.kind in kinds and trouble.after is after and trouble.matches(call, route):
                trouble.times -= 1
                if trouble.times <= 0:
                    self._troubles.remove(trouble)
                return trouble
        return None

    async def before(self, call: Call, route: str) -> tuple[Answer, dict[str, str]] | None:
        """What befalls a call before it takes effect."""
        if (slow := self._next(call, route, ("slow",), False)) is not None:
            await asyncio.sleep(slow.seconds)
        trouble = self._next(call, route, ("fail", "storm"), False)
        if trouble is None:
            return None
        if trouble.kind == "storm":
            headers = limits.refusal(trouble.seconds, "global" if trouble.everywhere else "shared")
            return (
                limits.too_many_requests(trouble.seconds, everywhere=trouble.everywhere),
                headers,
            )
        return _failure(trouble), {}

    def after(self, call: Call, route: str) -> Answer | None:
        """What befalls the answer of a call that has taken effect."""
        trouble = self._next(call, route, ("fail",), True)
        return _failure(trouble) if trouble is not None else None

    def stalls_next(self) -> bool:
        """Whether the download that begins now is to stall."""
        if self._stalls <= 0:
            return False
        self._stalls -= 1
        return True

    async def until_lifted(self) -> None:
        """Wait for fine weather."""
        await self._lifted.wait()


def _failure(trouble: Trouble) -> Answer:
    return Answer(status=trouble.status, body={"code": trouble.code, "message": trouble.message})


def parse(flag: str) -> list[tuple[str, dict[str, Any]]]:
    """``"slow route='PATCH *' seconds=2 times=5; drop-gateway after_seconds=20"``."""
    found: list[tuple[str, dict[str, Any]]] = []
    for part in flag.split(";"):
        words = shlex.split(part)
        if words:
            pairs = (word.partition("=") for word in words[1:])
            found.append((words[0], {key: _value(text) for key, _, text in pairs}))
    return found


def _value(text: str) -> Any:
    if text.lower() in ("true", "false", ""):
        return text.lower() != "false"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
