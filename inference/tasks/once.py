"""A property that is worked out when it is first asked for."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class once(Generic[Value]):
    """`functools.cached_property` without the lock that all instances share before Python 3.12.

    Two threads that ask one instance at the same time both work it out, and get the same object.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance: object, owner: type) -> Value:
        # What is kept under this name in the instance is found before this is asked again.
        value: Value = vars(instance).setdefault(self._compute.__name__, self._compute(instance))
        return value
