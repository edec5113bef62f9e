"""What members ask for, and when: seeded, so that every arm is asked for the same.

Guilds are busy in proportion to 1/rank (Zipf's law with exponent 1) and have habits: most of a
guild's jobs keep to its favourite size, strength, steps and guidance, and some repeat the last
one with another seed, as a reroll does. Without habits static batching would find no two alike.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from inference.request import MAX_SEED, MIN_SIDE, GenerationRequest

Size = tuple[int, int]
"""Width and height in pixels."""

GUILDS = 12
HABIT = 0.7
"""Share of each field's values that are the guild's favourite."""
REROLLS = 0.3
STRENGTH_GRID = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """What jobs may ask for; every value of a list is as likely as the others.

    sizes: multiples of 8. strengths: least and greatest. guidances: 1 means none.
    """

    sizes: tuple[Size, ...]
    steps: tuple[int, ...] = (20, 30)
    strengths: tuple[float, float] = (0.3, 0.9)
    guidances: tuple[float, ...] = (1.0, 4.0, 5.0, 7.5)

    def draw(self, numbers: random.Random) -> "Wish":
        """One job's values, all of them as likely."""
        return Wish(
            size=numbers.choice(self.sizes),
            steps=numbers.choice(self.steps),
            strength=self._strength(numbers),
            guidance=numbers.choice(self.guidances),
        )

    def _strength(self, numbers: random.Random) -> float:
        low, high = (round(limit / STRENGTH_GRID) for limit in self.strengths)
        return round(numbers.randint(low, high) * STRENGTH_GRID, 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What static batching must find alike."""

    size: Size
    steps: int
    strength: float
    guidance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One job. number: unique within its trace. at: seconds after the trace's beginning."""

    number: int
    at: float
    guild: int
    request: GenerationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """Jobs in the order they come."""

    name: str
    arrivals: tuple[Arrival, ...]

    @property
    def requests(self) -> Iterator[GenerationRequest]:
        """What is asked for, in order."""
        return (arrival.request for arrival in self.arrivals)


def turbo(sizes: tuple[Size, ...]) -> Mix:
    """For a model of few steps, which takes no guidance."""
    return Mix(sizes=sizes, steps=(1, 2, 3, 4), guidances=(1.0,))


def buckets(side: int) -> tuple[Size, ...]:
    """A square, a wide and a tall picture of about the same area; no side is below MIN_SIDE.

    side: a multiple of 8, pixels.
    """
    longer, shorter = (share // 8 * 8 for share in (side * 5 // 4, side * 3 // 4))
    sizes = (side, side), (longer, max(shorter, MIN_SIDE)), (max(shorter, MIN_SIDE), side)
    return tuple(dict.fromkeys(sizes))


def backlog(mix: Mix, count: int, seed: int) -> Trace:
    """All of them waiting when the work begins."""
    arrivals = [
        Arrival(number=number, at=0.0, guild=guild, request=request)
        for number, (guild, request) in enumerate(_jobs(mix, count, seed))
    ]
    return Trace(name=f"backlog of {count}", arrivals=tuple(arrivals))


def poisson(mix: Mix, count: int, seed: int, *, rate: float, name: str) -> Trace:
    """Jobs that come by chance, `rate` a second on average."""
    gaps, at = random.Random(f"gaps {seed}"), 0.0
    arrivals = []
    for number, (guild, request) in enumerate(_jobs(mix, count, seed)):
        at += gaps.expovariate(rate)
        arrivals.append(Arrival(number=number, at=at, guild=guild, request=request))
    return Trace(name=name, arrivals=tuple(arrivals))


def alone(request: GenerationRequest) -> Trace:
    """One job, and nothing else."""
    arrival = Arrival(number=0, at=0.0, guild=0, request=request)
    return Trace(name="one job alone", arrivals=(arrival,))


def request_of(wish: Wish, *, seed: int, prompt: str = "a lighthouse") -> GenerationRequest:
    """A request with a made-up picture of the wish's size."""
    return GenerationRequest(
        prompt=prompt,
        strength=wish.strength,
        steps=wish.steps,
        guidance=wish.guidance,
        seed=seed,
        width=wish.size[0],
        height=wish.size[1],
        image=_picture(wish.size, seed),
    )


@dataclass(kw_only=True, slots=True)
class _Guild:
    favourite: Wish
    last: GenerationRequest | None = None
    numbers: random.Random = field(default_factory=random.Random)

    def ask(self, mix: Mix, number: int) -> GenerationRequest:
        seed = self.numbers.randint(0, MAX_SEED)
        if self.last is not None and self.numbers.random() < REROLLS:
            self.last = self.last.change(seed=seed)
        else:
            wish = self._wish(mix.draw(self.numbers))
            self.last = request_of(wish, seed=seed, prompt=f"a lighthouse, number {number}")
        return self.last

    def _wish(self, other: Wish) -> Wish:
        """Its habits, each given up now and then."""

        def kept() -> bool:
            return self.numbers.random() < HABIT

        usual = self.favourite
        return Wish(
            size=usual.size if kept() else other.size,
            steps=usual.steps if kept() else other.steps,
            strength=usual.strength if kept() else other.strength,
            guidance=usual.guidance if kept() else other.guidance,
        )


def _jobs(mix: Mix, count: int, seed: int) -> Iterator[tuple[int, GenerationRequest]]:
    numbers = random.Random(f"jobs {seed}")
    guilds = [
        _Guild(favourite=mix.draw(numbers), numbers=random.Random(f"guild {seed} {rank}"))
        for rank in range(GUILDS)
    ]
    busy = [1 / (rank + 1) for rank in range(GUILDS)]
    for number, rank in enumerate(numbers.choices(range(GUILDS), busy, k=count)):
        yield rank, guilds[rank].ask(mix, number)


def _picture(size: Size, seed: int) -> bytes:
    """Soft blotches of colour with some grain, as PNG."""
    numbers = np.random.default_rng(seed)
    coarse = Image.fromarray(numbers.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    grain = numbers.integers(-8, 9, soft.shape)
    buffer = io.BytesIO()
    Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
