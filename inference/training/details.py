"""Lessons for the network that takes the details of an edited picture from its source.

The editor itself paints what it is asked to; the network is shown the source, the words, what was
painted and what is right. Where one answer is right (a picture without its noise), that is the
truth; where the editor invents (another style, colours), it is what was painted, so that the
network leaves it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from inference.errors import RequestError
from inference.families.details import DetailNet, words_of
from inference.tasks.colorize import coloured
from inference.training.autoencoder import to_pixels, to_tensor
from inference.training.averaged import averaged
from inference.training.crops import PairCrops
from inference.training.data import Pixels
from inference.training.edits import draw_edit
from inference.training.loop import attention_for
from inference.training.shards import Shard
from inference.training.sheets import sheet
from inference.training.spoiling import changed

TASKS: Mapping[str, float] = {
    "denoise": 0.35,
    "upscale": 0.15,
    "sharpen": 0.15,
    "colourise": 0.08,
    "inpaint": 0.08,
    "restyle": 0.15,
    "sketch": 0.04,
}
"""How often each task is drawn."""
INVENTED = ("restyle", "sketch")
"""Tasks with many right answers."""
DIRECT = 0.6
"""Share of the lessons painted in two steps without guidance: the surest way to the one right
answer. The others are painted as members have it."""
UNHEARD = 0.05
"""Share of the crops without words, as if it knew none of them."""
ROWS = 8
"""Lessons that a sheet shows."""
FLOOR = 3e-4
"""Added to the squared error before its logarithm, so that little is gained beyond 41 dB: without
it, to leave a painting as it is would be learned before anything else."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Exercise:
    """What the editor is asked: uint8 [h, w, 3], the words for it, and the truth."""

    task: str
    source: Pixels
    words: str
    truth: Pixels


Draw = Callable[[random.Random], Exercise]
"""Draws an exercise; all are of one size."""


def from_shard(shard: Shard) -> Draw:
    """The world's tasks."""

    def draw(rng: random.Random) -> Exercise:
        edit = draw_edit(shard, rng, TASKS)
        source = shard.pixels[edit.source] if isinstance(edit.source, int) else edit.source
        truth = shard.pixels[edit.target]
        return Exercise(task=edit.task, source=source, words=edit.words, truth=truth)

    return draw


def from_pairs(crops: PairCrops) -> Draw:
    """An owner's pairs, each with one right answer."""

    def draw(rng: random.Random) -> Exercise:
        index = rng.randrange(len(crops.pairs))
        source, truth = crops.draw(index, rng)
        words = crops.pairs[index].instruction
        return Exercise(task="pair", source=source, words=words, truth=truth)

    return draw


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lessons:
    """uint8 [n, h, w, 3] each: what the editor was given, what it painted, and what is right; and
    the n texts that it was told.
    """

    words: tuple[str, ...]
    sources: Pixels
    painted: Pixels
    wanted: Pixels


def vocabulary(lessons: Lessons) -> tuple[str, ...]:
    """Every word of their texts."""
    return tuple(sorted({word for text in lessons.words for word in words_of(text)}))


def wanted(asked: Exercise, painted: Pixels) -> Pixels:
    """What is right, [h, w, 3]: the truth, or what was painted where it is invented, its colours
    where it is coloured.
    """
    if asked.task in INVENTED:
        return painted
    if asked.task == "inpaint":
        hole = changed(asked.source, asked.truth)
        return np.where(hole[..., None], painted, asked.truth)
    if asked.task == "colourise":
        return np.asarray(coloured(Image.fromarray(asked.source), Image.fromarray(painted)))
    return asked.truth


def give_lessons(
    pipe: Any,
    draw: Draw,
    count: int,
    *,
    seed: int,
    steps: int,
    guidance: float,
    batch: int = 6,
    autocast: bool = True,
) -> Lessons:
    """Lets an InstructPix2Pix pipeline paint `count` exercises.

    steps, guidance: as members have it. autocast: in bfloat16 where that does no harm.
    """
    rng = random.Random(seed)
    asked: list[Exercise] = []
    painted: list[Pixels] = []
    with tqdm(total=count, unit="picture", mininterval=5) as bar:
        while len(asked) < count:
            some = [draw(rng) for _ in range(min(batch, count - len(asked)))]
            how = (2, 1.0) if rng.random() < DIRECT else (steps, guidance)
            seeded = torch.Generator().manual_seed(rng.getrandbits(32))
            with torch.autocast(pipe.device.type, torch.bfloat16, enabled=autocast):
                painted += _painted(pipe, some, seeded, *how)
            asked += some
            bar.update(len(some))
    right = [wanted(one, made) for one, made in zip(asked, painted, strict=True)]
    return Lessons(
        words=tuple(one.words for one in asked),
        sources=np.stack([one.source for one in asked]),
        painted=np.stack(painted),
        wanted=np.stack(right),
    )


def _painted(
    pipe: Any,
    asked: Sequence[Exercise],
    generator: torch.Generator,
    steps: int,
    guidance: float,
) -> list[Pixels]:
    with attention_for(pipe.device.type):
        images = pipe(
            [one.words for one in asked],
            image=[Image.fromarray(one.source) for one in asked],
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=generator,
        ).images
    return [np.asarray(one) for one in images]


def kept(folder: Path, asked: str, paint: Callable[[], Lessons]) -> Lessons:
    """What `paint()` gives, painted once and then read from `folder`.

    asked: what the lessons were made of, in words. Raises RequestError where the folder has others.
    """
    path = folder / "lessons.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = paint()
        beside = path.with_suffix(".part.npz")
        np.savez(
            beside,
            asked=np.array(asked),
            words=np.array(made.words),
            sources=made.sources,
            painted=made.painted,
            wanted=made.wanted,
        )
        beside.replace(path)
    with np.load(path) as found:
        before = str(found["asked"]) if "words" in found.files else "an older version"
        if before != asked:
            raise RequestError(
                f"{path} holds the lessons of “{before}”, not of “{asked}”; name another --out."
            )
        pictures = {name: found[name] for name in ("sources", "painted", "wanted")}
        return Lessons(words=tuple(map(str, found["words"])), **pictures)


class DetailsTask:
    """Trains the network on random crops of lessons."""

    def __init__(
        self,
        net: DetailNet,
        lessons: Lessons,
        *,
        side: int = 96,
        batch: int = 16,
        device: str = "cpu",
        autocast: bool = True,
    ) -> None:
        self.net = net.to(device)
        self.lessons = lessons
        self.asked = self.net.asked.places(lessons.words)
        self.average: Mapping[str, Mapping[str, Tensor]] = {}
        self.side, self.batch = side, batch
        self.device = torch.device(device)
        self.autocast = autocast

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"details": self.net}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The mean logarithm of the squared error of each crop: but for `FLOOR` it is PSNR, so that
        faint noise counts as much as strong (Chen et al. 2022, "NAFNet").
        """
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        chosen = rng.integers(0, len(self.lessons.words), self.batch)
        crops = self._crops(chosen, rng)
        source, painted, right = (to_tensor(part).to(self.device) for part in crops)
        asked = self.asked[chosen]
        asked[torch.from_numpy(rng.random(self.batch) < UNHEARD), 1:] = -1
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            made = self.net(source, painted, asked.to(self.device))
        error = (made.float() - right).square().mean(dim=(1, 2, 3))
        loss = (error + FLOOR).log().mean()
        before = ((painted - right).square().mean(dim=(1, 2, 3)) + FLOOR).log().mean()
        decibels = 10 / np.log(10)
        return loss, {
            "dB": float(decibels * (np.log(4) - loss.item())),
            "painted dB": float(decibels * (np.log(4) - before.item())),
        }

    def _crops(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> list[Pixels]:
        """The same crops of all three, [batch, side, side, 3] each, at times mirrored."""
        height, width = self.lessons.sources.shape[1:3]
        parts: list[tuple[Pixels, ...]] = []
        for index in chosen:
            y = int(rng.integers(0, height - self.side + 1))
            x = int(rng.integers(0, width - self.side + 1))
            turn = -1 if rng.random() < 0.5 else 1
            place = (int(index), slice(y, y + self.side), slice(x, x + self.side))
            whole = (self.lessons.sources, self.lessons.painted, self.lessons.wanted)
            parts.append(tuple(one[place][:, ::turn] for one in whole))
        return [np.stack(one) for one in zip(*parts, strict=True)]

    def watch(self, average: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Sheets are made with these weights; they may be filled in later."""
        self.average = average

    def sample(self, folder: Path, step: int) -> None:
        """Writes `details-STEP.png`, a row for each of the first lessons: the source, what was
        painted, what the network makes of both, and what is right.
        """
        few = self.lessons.sources[:ROWS], self.lessons.painted[:ROWS], self.lessons.wanted[:ROWS]
        with averaged(self.modules(), self.average), torch.no_grad():
            source, painted = (to_tensor(part).to(self.device) for part in few[:2])
            made = to_pixels(self.net(source, painted, self.asked[:ROWS].to(self.device)))
        sheet([*few[:2], made, few[2]]).save(folder / f"details-{step:06d}.png")
