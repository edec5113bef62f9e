"""The lock that lets urgent work go first."""

import asyncio

import pytest

from bot.storage.turns import Turns


async def _hold(turns: Turns, name: str, order: list[str], *, urgent: bool = False) -> None:
    async with turns.take(urgent=urgent):
        order.append(name)
        await asyncio.sleep(0)


async def test_urgent_ones_first_then_whoever_came_first() -> None:
    turns, order = Turns(), []
    async with turns.take():
        tasks = [
            asyncio.create_task(_hold(turns, name, order, urgent=name.isupper())) for name in "abCD"
        ]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*tasks)
    assert order == ["C", "D", "a", "b"]


async def test_who_stops_waiting_is_passed_over() -> None:
    turns, order = Turns(), []
    async with turns.take():
        tasks = [asyncio.create_task(_hold(turns, name, order)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[0].cancel()
    tasks[1].cancel()  # it has just been handed the turn
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["c"]
    await _hold(turns, "d", order)
    assert order == ["c", "d"]


async def test_an_exception_lets_go() -> None:
    turns, order = Turns(), []
    with pytest.raises(KeyError):
        async with turns.take():
            raise KeyError
    await _hold(turns, "a", order)
    assert order == ["a"]
