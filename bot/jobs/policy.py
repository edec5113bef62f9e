"""What a guild's policy says to a request. Pure functions: each returns, or raises the refusal.

Every sentence names the limit and the nearest legal value, or says when there is room again.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.errors import NotPermitted, QueueFull, RateLimited, Refused
from bot.model import GuildPolicy
from bot.storage.usage import Backlog, Charge, Load
from inference.options import Upscale
from inference.request import MAX_COUNT, MAX_STEPS, Recipe

MAX_WINDOW_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What was used in the window, of what may be; megapixel-rows."""

    member: float
    guild: float
    member_budget: float
    guild_budget: float
    window_minutes: int


def usage(policy: GuildPolicy, load: Load) -> Usage:
    """The load beside the policy's budgets."""
    return Usage(
        member=_total(load.member),
        guild=_total(load.guild),
        member_budget=policy.member_budget,
        guild_budget=policy.guild_budget,
        window_minutes=policy.window_minutes,
    )


def window(policy: GuildPolicy) -> timedelta:
    """The length of the moving window."""
    return timedelta(minutes=policy.window_minutes)


def check_channel(policy: GuildPolicy, channel_id: int, *, thread_of: int | None = None) -> None:
    """Raises NotPermitted where the guild keeps the bot to other channels.

    thread_of: the channel whose thread or forum post this is; they follow it.
    """
    if policy.channels and not {channel_id, thread_of} & set(policy.channels):
        names = ", ".join(f"<#{channel}>" for channel in policy.channels[:10])
        raise NotPermitted(f"Pictures are not made in this channel; use {names}.")


def check_recipe(policy: GuildPolicy, recipe: Recipe) -> None:
    """Raises Refused where strength, steps or count are outside of what the guild allows.

    Strength and steps only where they mean something to the task.
    """
    low, high = policy.min_strength, policy.max_strength
    strengths = recipe.strengths or (recipe.strength,)
    for strength in strengths if recipe.has_strength else ():
        if low <= strength <= high:
            continue
        nearest = low if strength < low else high
        raise Refused(
            f"Strength {strength:g} is outside {low:g} to {high:g} on this server; "
            f"the nearest allowed value is {nearest:g}."
        )
    for name, value, most in (
        ("Steps", recipe.steps if recipe.paints else 0, policy.max_steps),
        # A ladder's number of pictures is nobody's choice.
        ("Count", 1 if recipe.strengths else recipe.count, policy.max_count),
    ):
        if value > most:
            raise Refused(
                f"{name} {value} is more than this server allows; "
                f"the nearest allowed value is {most}."
            )


def check_queue(policy: GuildPolicy, backlog: Backlog) -> None:
    """Raises QueueFull where one more job would be too many.

    Asked of a job before its picture is fetched: what was admitted stays so.
    """
    if backlog.member >= policy.member_queue:
        raise QueueFull(
            f"You have {_jobs(backlog.member)} waiting or running here and "
            f"{policy.member_queue} are allowed; wait for one to finish, or /cancel one."
        )
    if backlog.guild >= policy.guild_queue:
        raise QueueFull(
            f"This server has {_jobs(backlog.guild)} waiting or running and "
            f"{policy.guild_queue} are allowed; try again when one has finished."
        )


def admit(
    policy: GuildPolicy,
    load: Load,
    *,
    recipe: Recipe,
    price: Callable[[Recipe], float],
) -> None:
    """Raises RateLimited where the budgets have no room for the recipe now.

    price: what a recipe costs on this source, megapixel-rows; also asked for smaller ones.
    """
    cost = price(recipe)
    for scope, budget in (("your", policy.member_budget), ("the server’s", policy.guild_budget)):
        if cost > budget:
            raise RateLimited(
                f"This costs {_units(cost)}, more than {scope} whole budget of {_units(budget)} "
                f"in {policy.window_minutes} minutes; {_what_fits(recipe, price, budget)}.",
                retry_at=None,
            )
    scopes = (
        ("You have", load.member, policy.member_budget),
        ("This server has", load.guild, policy.guild_budget),
    )
    full = [
        (room_at(charges, budget, cost, window(policy)), who, _total(charges), budget)
        for who, charges, budget in scopes
        if not _fits(_total(charges) + cost, budget)
    ]
    if full:
        retry_at, who, used, budget = max(full, key=lambda room: room[0])
        raise RateLimited(
            f"{who} used {_units(used)} of {_units(budget)} in the last "
            f"{policy.window_minutes} minutes and this costs {_units(cost)}; "
            f"there is room for it again <t:{math.ceil(retry_at.timestamp())}:R>.",
            retry_at=retry_at,
        )


def room_at(charges: Sequence[Charge], budget: float, cost: float, length: timedelta) -> datetime:
    """When enough of the charges has left the window for `cost` to fit, if nothing is added.

    charges: oldest first, at least one; cost ≤ budget; length: of the window. A charge leaves
    exactly `length` after it was made.
    """
    left = _total(charges)
    for charge in charges:
        left -= charge.cost
        if _fits(left + cost, budget):
            return charge.at + length
    return charges[-1].at + length


def check_policy(policy: GuildPolicy) -> None:
    """Raises Refused where a policy could not be kept or contradicts itself."""
    for name, value, low, high in (
        ("window", policy.window_minutes, 1, MAX_WINDOW_MINUTES),
        ("least strength", policy.min_strength, 0, 1),
        ("greatest strength", policy.max_strength, policy.min_strength, 1),
        ("default strength", policy.default_strength, policy.min_strength, policy.max_strength),
        ("greatest number of steps", policy.max_steps, 1, MAX_STEPS),
        ("default number of steps", policy.default_steps, 1, policy.max_steps),
        ("greatest count", policy.max_count, 1, MAX_COUNT),
        ("default count", policy.default_count, 1, policy.max_count),
        ("member’s queue", policy.member_queue, 1, 1000),
        ("server’s queue", policy.guild_queue, 1, 10_000),
        ("member’s budget", policy.member_budget, 0, 1e9),
        ("server’s budget", policy.guild_budget, 0, 1e9),
    ):
        if not low <= value <= high:  # also refuses NaN
            nearest = low if value < low else high
            raise Refused(
                f"The {name} cannot be {value:g}: it must be from {low:g} to {high:g}; "
                f"the nearest allowed value is {nearest:g}."
            )


def _what_fits(recipe: Recipe, price: Callable[[Recipe], float], budget: float) -> str:
    """The nearest smaller recipe within the budget, else what no recipe can help."""
    for words, smaller in _smaller(recipe):
        if price(smaller) <= budget:
            return f"with {words} it would fit"
    if isinstance(recipe.options, Upscale):
        return "only a smaller factor or a smaller picture would fit"
    if not recipe.paints:
        return "only a smaller picture would fit"
    if recipe.strengths:
        return "even one step of each picture would not fit; /reimagine makes one picture"
    return "even one step of one picture would not fit"


def _smaller(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """What costs less, nearest first, by what a member can change: its words, and the recipe."""
    if isinstance(recipe.options, Upscale):
        for tenths in range(math.ceil(recipe.options.creativity * 10) - 1, -1, -1):
            options = replace(recipe.options, creativity=tenths / 10)
            yield f"creativity {options.creativity:g}", recipe.change(options=options)
        return
    if not recipe.paints:
        return
    # A ladder has one picture for each strength: nobody asks for their number.
    several = recipe.count > 1 and not recipe.strengths
    for count in range(recipe.count - 1, 0, -1) if several else ():
        yield f"count {count}", recipe.change(count=count)
    single = recipe.change(count=1) if several else recipe
    for steps in range(recipe.steps - 1, 0, -1):
        yield f"steps {steps}{' and count 1' if several else ''}", single.change(steps=steps)


def _fits(total: float, budget: float) -> bool:
    """Whether a sum of costs is within the budget; sums of floats may be a hair above."""
    return total <= budget or math.isclose(total, budget, rel_tol=1e-9)


def _total(charges: Sequence[Charge]) -> float:
    return math.fsum(charge.cost for charge in charges)


def _units(cost: float) -> str:
    """A cost for people: one decimal while it matters."""
    return f"{cost:.1f}" if cost < 10 else f"{cost:.0f}"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
