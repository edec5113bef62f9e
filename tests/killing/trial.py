"""What one trial of the kill test is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """A process kills itself with SIGKILL at the n-th call of something.

    target: ``module:Class.method``, or ``http METHOD PATTERN`` for a request that the bot makes;
        the pattern is a shell pattern for the path.
    when: before the call, or when its result is there; "torn": half-way through a written frame.
    within: counts only calls made, however deep, from inside of this function.
    """

    target: str
    when: Literal["before", "after", "torn"]
    call: int = 1
    within: str | None = None


class Weather(StrEnum):
    """What else goes wrong at Discord."""

    FINE = "fine"
    EXPIRED = "every token has expired before the first picture is ready"
    LOST_DEFER = "the answers to deferrals are lost"
    LOST_EDIT = "the answers to edits by token are lost"
    LOST_ASK = "the answer to the first post for a reaction is lost"
    LOST_POST = "every token has expired, and the answers to posts are lost"
    FORGOTTEN = "Discord has forgotten the nonces before the restart"
    FORGOTTEN_POST = "every token has expired; the nonces are forgotten before the restart"

    @property
    def expires(self) -> bool:
        """Whether the tokens are dead before the first picture is ready."""
        return self in (Weather.EXPIRED, Weather.LOST_POST, Weather.FORGOTTEN_POST)

    @property
    def forgets(self) -> bool:
        """Whether the bot is down for longer than a nonce is remembered."""
        return self in (Weather.FORGOTTEN, Weather.FORGOTTEN_POST)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One point. lives: how the bot dies, life after life; then it is started to stay.

    engine: how the first engine process dies.
    """

    label: str
    lives: tuple[Death, ...] = ()
    engine: Death | None = None
    weather: Weather = Weather.FINE
