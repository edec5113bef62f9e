"""The policy's refusals: each names its limit and the nearest legal value."""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.errors import NotPermitted, QueueFull, RateLimited, Refused
from bot.jobs.policy import (
    admit,
    check_channel,
    check_policy,
    check_queue,
    check_recipe,
    room_at,
    usage,
)
from bot.model import GuildPolicy
from bot.storage.usage import Backlog, Charge, Load
from inference.options import Upscale
from inference.request import Recipe

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = GuildPolicy(guild_id=1, member_budget=100, guild_budget=150)


def _charges(*pairs: tuple[float, float]) -> tuple[Charge, ...]:
    """(minutes after noon, cost)…"""
    return tuple(Charge(at=NOON + minutes * MINUTE, cost=cost) for minutes, cost in pairs)


def _load(**values: Any) -> Load:
    empty = {"member": (), "guild": ()}
    return Load(**(empty | values))


def _price(recipe: Recipe) -> float:
    return float(recipe.count * recipe.steps)


def _admit(load: Load, *, policy: GuildPolicy = POLICY, steps: int = 20, count: int = 1) -> None:
    recipe = Recipe(prompt="x", steps=steps, count=count)
    admit(policy, load, recipe=recipe, price=_price)


def test_channels() -> None:
    check_channel(POLICY, 5)
    limited = replace(POLICY, channels=(8, 9))
    check_channel(limited, 9)
    check_channel(limited, 5, thread_of=9)
    with pytest.raises(NotPermitted, match=r"use <#8>, <#9>\."):
        check_channel(limited, 5)
    with pytest.raises(NotPermitted):
        check_channel(limited, 5, thread_of=6)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"strength": 0.15}, "Strength 0.15 is outside 0.2 to 0.8 .* nearest allowed value is 0.2"),
        ({"strength": 0.9}, "nearest allowed value is 0.8"),
        ({"steps": 31}, "Steps 31 is more than .* nearest allowed value is 30"),
        ({"count": 3}, "Count 3 is more than .* nearest allowed value is 2"),
    ],
)
def test_ranges(values: dict[str, Any], text: str) -> None:
    policy = replace(POLICY, min_strength=0.2, max_strength=0.8, max_steps=30, max_count=2)
    for strength in (0.2, 0.8):
        check_recipe(policy, Recipe(prompt="x", strength=strength, steps=30, count=2))
    with pytest.raises(Refused, match=text):
        check_recipe(policy, Recipe(prompt="x", **values))


def test_what_means_nothing_to_a_task_is_not_looked_at() -> None:
    policy = replace(POLICY, min_strength=0.2, max_strength=0.5, max_steps=10)
    for task in ("upscale", "denoise"):
        check_recipe(policy, Recipe(prompt="", task=task, strength=1, steps=150))
    check_recipe(policy, Recipe(prompt="x", task="edit", strength=1, steps=10))
    painted = Upscale(creativity=0.5)
    check_recipe(policy, Recipe(prompt="", task="upscale", options=painted, steps=10))
    with pytest.raises(Refused, match="Steps 11"):
        check_recipe(policy, Recipe(prompt="", task="upscale", options=painted, steps=11))
    with pytest.raises(Refused, match=r"Strength 0\.9"):
        check_recipe(policy, Recipe(prompt="x", task="inpaint", strength=0.9, steps=10))


def test_queue_caps() -> None:
    policy = replace(POLICY, member_queue=1, guild_queue=3)
    check_queue(policy, Backlog(member=0, guild=2))
    with pytest.raises(QueueFull, match="You have 1 job waiting or running here and 1 are allowed"):
        check_queue(policy, Backlog(member=1, guild=1))
    with pytest.raises(QueueFull, match=r"This server has 3 jobs .* and 3 are allowed"):
        check_queue(policy, Backlog(member=0, guild=3))


def test_what_fits_exactly_is_admitted() -> None:
    member = _charges((0, 80))
    _admit(_load(member=member, guild=member))
    tenths = _charges(*((0, 0.1) for _ in range(800)))  # adds up to a hair more than 80
    _admit(_load(member=tenths, guild=tenths))


def test_a_full_window_says_when_this_cost_fits_again() -> None:
    member = _charges((0, 30), (5, 40), (10, 25))
    load = _load(member=member, guild=member)
    # 95 are used: 20 fit when the 30 of noon have left; 50 only when the 40 have left as well.
    for steps, minutes in ((20, 60), (50, 65)):
        with pytest.raises(RateLimited) as caught:
            _admit(load, steps=steps)
        retry_at = NOON + minutes * MINUTE
        assert caught.value.retry_at == retry_at
        text = str(caught.value)
        assert "You have used 95 of 100 in the last 60 minutes" in text
        assert f"this costs {steps}" in text
        assert text.endswith(f"again <t:{int(retry_at.timestamp())}:R>.")


def test_the_time_told_is_never_too_early() -> None:
    at = NOON + timedelta(microseconds=1)
    member = (Charge(at=at, cost=100),)
    with pytest.raises(RateLimited) as caught:
        _admit(_load(member=member, guild=member))
    told = int(re.search(r"<t:(\d+):R>", str(caught.value))[1])
    retry_at = caught.value.retry_at
    assert retry_at == at + 60 * MINUTE
    assert told == math.ceil(retry_at.timestamp())


def test_when_both_windows_are_full_the_later_one_counts() -> None:
    member, others = _charges((0, 90)), _charges((20, 60))
    with pytest.raises(RateLimited, match="This server has used 150 of 150") as caught:
        _admit(_load(member=member, guild=(*member, *others)), steps=95)
    assert caught.value.retry_at == NOON + 80 * MINUTE


@pytest.mark.parametrize(
    ("steps", "count", "budget", "text"),
    [
        (30, 4, 100, "with count 3 it would fit"),
        (120, 1, 100, "with steps 100 it would fit"),
        (120, 2, 100, "with steps 100 and count 1 it would fit"),
        (10, 1, 0.5, "even one step of one picture would not fit"),
    ],
)
def test_what_can_never_fit_says_what_would(
    steps: int, count: int, budget: float, text: str
) -> None:
    with pytest.raises(RateLimited, match=f"more than your whole budget of .*{text}") as caught:
        _admit(_load(), policy=replace(POLICY, member_budget=budget), steps=steps, count=count)
    assert caught.value.retry_at is None


@pytest.mark.parametrize(
    ("recipe", "budget", "text"),
    [
        ({"strengths": (0.2, 0.5, 1.0)}, 30, "; with steps 5 it would fit"),
        (
            {"strengths": (0.2, 0.5, 1.0)},
            1,
            "; even one step of each picture would not fit; /reimagine makes one picture",
        ),
        (
            {"task": "upscale", "options": Upscale(creativity=0.95)},
            30,
            "; with creativity 0.5 it would fit",
        ),
        (
            {"task": "upscale", "options": Upscale(creativity=0.3)},
            1.5,
            "; with creativity 0 it would fit",
        ),
        ({"task": "upscale"}, 0.5, "; only a smaller factor or a smaller picture would fit"),
        ({"task": "denoise"}, 0.5, "; only a smaller picture would fit"),
    ],
)
def test_only_what_a_member_can_change_is_advised(
    recipe: dict[str, Any], budget: float, text: str
) -> None:
    policy = replace(POLICY, member_budget=budget)
    with pytest.raises(RateLimited, match=re.escape(text) + r"\.$"):
        admit(
            policy,
            _load(),
            recipe=Recipe(prompt="x", **recipe),
            price=lambda wanted: wanted.cost(1000, 1000),
        )


def test_the_servers_whole_budget_is_named_too() -> None:
    policy = replace(POLICY, member_budget=1000, guild_budget=50)
    with pytest.raises(RateLimited, match="more than the server’s whole budget of 50"):
        _admit(_load(), policy=policy, steps=60)


def test_room_by_brute_force() -> None:
    charges = _charges((0, 3), (1, 5), (1, 2), (7, 11), (30, 4))
    length, budget = 45 * MINUTE, 20.0
    for cost in (1.0, 5.0, 9.0, 16.0, 20.0):
        at = room_at(charges, budget, cost, length)

        def used(moment: datetime) -> float:
            return sum(charge.cost for charge in charges if charge.at > moment - length)

        assert used(at) + cost <= budget
        assert used(at - timedelta(microseconds=1)) + cost > budget


def test_usage_adds_up() -> None:
    member, guild = _charges((0, 1), (1, 2)), _charges((0, 1), (1, 2), (2, 4))
    used = usage(POLICY, _load(member=member, guild=guild))
    assert (used.member, used.guild) == (3, 7)
    assert (used.member_budget, used.guild_budget, used.window_minutes) == (100, 150, 60)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"window_minutes": 0}, "window cannot be 0.* nearest allowed value is 1"),
        ({"min_strength": 0.7, "max_strength": 0.5}, "greatest strength .* value is 0.7"),
        ({"default_strength": 0.9, "max_strength": 0.8}, "default strength .* value is 0.8"),
        ({"max_steps": 151}, "value is 150"),
        ({"max_steps": 10, "default_steps": 20}, "default number of steps .* value is 10"),
        ({"max_count": 11}, "value is 10"),
        ({"default_count": 0}, "value is 1"),
        ({"member_queue": 0}, "value is 1"),
        ({"member_budget": -1.0}, "value is 0"),
        ({"guild_budget": math.nan}, "budget cannot be nan"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(values: dict[str, Any], text: str) -> None:
    check_policy(POLICY)
    with pytest.raises(Refused, match=text):
        check_policy(replace(POLICY, **values))
