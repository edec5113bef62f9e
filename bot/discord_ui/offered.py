"""What was offered to members and may still be asked for: a button or form carries only an id."""

from collections import OrderedDict
from typing import Generic, TypeVar

from bot.errors import Gone

Value = TypeVar("Value")


class Offered(Generic[Value]):
    """Values by a Discord id. Only the newest are kept, and none across a restart.

    Without the privileged intent Discord shows a bot a member's message only in the interaction
    itself, so what is not remembered cannot be read again.

    too_old: what a member is told of an offer that is gone.
    """

    def __init__(self, *, too_old: str, limit: int = 1000) -> None:
        self._too_old = too_old
        self._limit = limit
        self._values: OrderedDict[int, Value] = OrderedDict()

    def put(self, key: int, value: Value) -> None:
        """Remembers it, and forgets the oldest beyond the limit."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)

    def get(self, key: int) -> Value:
        """What was offered. Raises Gone."""
        if key not in self._values:
            raise Gone(self._too_old)
        return self._values[key]
