"""Examples of editing: a source, what is asked for, and the exact answer.

From the world's groups: pictures of one geometry in many styles give restyling and drawings, and
any picture can be spoiled so that its undoing is known. From an owner's folder: the pairs.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from inference.training import spoiling
from inference.training.autoencoder import to_tensor
from inference.training.crops import PairCrops
from inference.training.data import Pixels
from inference.training.drawings import child_drawing
from inference.training.gan_data import Pairs
from inference.training.instructions import from_sketch, instruction
from inference.training.pocket import Latents, at_subjects, focus
from inference.training.shards import Shard
from inference.training.sketch_pairs import SketchPairs

TASKS: Mapping[str, float] = {
    "restyle": 0.18,
    "sketch": 0.20,
    "colourise": 0.20,
    "denoise": 0.06,
    "inpaint": 0.30,
    "upscale": 0.03,
    "sharpen": 0.03,
}
"""How often each task is drawn."""

DRAWN = ("pencil", "ink")
COLOURLESS = ("grayscale", "sepia", "pencil", "ink", "blueprint", "neon")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Edit:
    """One example. target: an index into the shard. source: another one, or a picture."""

    task: str
    target: int
    source: int | Pixels
    words: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EditBatch:
    """Latents [n, c, h, w] and words. Targets are scaled by the autoencoder's factor, sources are
    not: so the pipeline feeds them (Brooks et al. 2023).

    counts: [n, 1, h, w], how much an error there counts; of mean 1 in every example.
    """

    sources: Tensor
    targets: Tensor
    words: tuple[str, ...]
    counts: Tensor


class EditExamples(Protocol):
    """Endless examples that depend on nothing but the random generator."""

    def batch(self, rng: random.Random) -> EditBatch:
        """One batch of one size."""


@torch.no_grad()
def latents_of(vae: AutoencoderKL, pixels: Pixels, autocast: bool) -> Tensor:
    """The posterior's mode, unscaled, float32, of uint8 [n, h, w, 3]; on the vae's device."""
    device = next(vae.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        mode: Tensor = vae.encode(to_tensor(pixels).to(device)).latent_dist.mode()
    return mode.float()


def draw_edit(shard: Shard, rng: random.Random, tasks: Mapping[str, float] = TASKS) -> Edit:
    """Draws a task and an example for it."""
    (task,) = rng.choices(list(tasks), list(tasks.values()))
    while (edit := _attempt(shard, task, rng)) is None:
        pass  # not every group has what every task needs
    return edit


def _attempt(shard: Shard, task: str, rng: random.Random) -> Edit | None:
    first = rng.randrange(len(shard.facts) // shard.per_group) * shard.per_group
    target = first + rng.randrange(shard.per_group)
    facts = shard.facts[target]
    source: int | Pixels | None
    if task == "restyle":
        source = same_body(shard, first, target, rng)
    elif task == "sketch":
        source = _drawing(shard, first, target, rng)
    elif task == "colourise":
        # The colours of photographs and leaves are made up, so nothing can tell them from a grey.
        keep = facts.style not in COLOURLESS and facts.kind == "world"
        keep = keep and (facts.style == "photo" or rng.random() < 0.2)
        source = spoiling.grey(shard.pixels[target]) if keep else None
    else:
        source = _spoiled(task, shard.pixels[target], rng)
    if source is None:
        return None
    return Edit(task=task, target=target, source=source, words=instruction(task, facts, rng))


def same_body(shard: Shard, first: int, target: int, rng: random.Random) -> int | None:
    """Another picture of what the target shows, more often than not the photograph."""
    facts = shard.facts
    others = [
        i
        for i in range(first, first + shard.per_group)
        if i != target and facts[i].body == facts[target].body
    ]
    if not others:
        return None
    photos = [i for i in others if facts[i].style == "photo"]
    return photos[0] if photos and rng.random() < 0.6 else rng.choice(others)


def _drawing(shard: Shard, first: int, target: int, rng: random.Random) -> int | Pixels | None:
    """A drawing of what the target shows: a member's kind of source."""
    facts = shard.facts[target]
    if facts.style in DRAWN or (facts.kind != "world" and rng.random() < 0.7):
        return None
    if facts.style != "photo" and rng.random() < 0.4:
        return None
    same = [i for i in range(first, first + shard.per_group) if shard.facts[i].body == facts.body]
    drawn = [i for i in same if shard.facts[i].style in DRAWN]
    if drawn and rng.random() < 0.7:
        return rng.choice(drawn)
    photo = next((i for i in same if shard.facts[i].style == "photo"), None)
    if photo is None:
        return None
    body = shard.pixels[photo].astype(np.float32) / 255
    child = child_drawing(body, np.random.default_rng(rng.getrandbits(32)))
    return (child * 255 + 0.5).astype(np.uint8)


def _spoiled(task: str, picture: Pixels, rng: random.Random) -> Pixels:
    numbers = np.random.default_rng(rng.getrandbits(32))
    if task == "denoise":
        return spoiling.noisy(picture, rng.uniform(*spoiling.SIGMAS), numbers)
    if task == "inpaint":
        return spoiling.holed(picture, numbers)
    if task == "upscale":
        return spoiling.halved(picture)
    return spoiling.blurred(picture, rng.uniform(*spoiling.BLURS))


class WorldEdits:
    """Examples from rendered groups whose latents are cached."""

    def __init__(
        self,
        shards: Sequence[Shard],
        latents: Sequence[Latents],
        vae: AutoencoderKL,
        *,
        autocast: bool = True,
    ) -> None:
        """`latents` are those of `shards`, in the same order, and say how each is drawn from."""
        self._shards, self._latents = list(shards), list(latents)
        self._vae, self._autocast = vae, autocast

    def batch(self, rng: random.Random) -> EditBatch:
        """Sources that are pictures of the shard come from its latents, others are encoded."""
        (which,) = rng.choices(range(len(self._shards)), [one.weight for one in self._latents])
        shard, latents = self._shards[which], self._latents[which]
        edits = [draw_edit(shard, rng) for _ in range(latents.batch)]
        targets = latents.values[[e.target for e in edits]].float()
        known = [e.source if isinstance(e.source, int) else e.target for e in edits]
        sources = latents.values[known].float() / self._vae.config.scaling_factor
        made = [i for i, e in enumerate(edits) if not isinstance(e.source, int)]
        if made:
            pixels = np.stack([e.source for e in edits if not isinstance(e.source, int)])
            sources[made] = latents_of(self._vae, pixels, self._autocast).cpu()
        return EditBatch(
            sources=sources,
            targets=targets,
            words=tuple(e.words for e in edits),
            counts=focus(where_it_matters(shard, edits, *targets.shape[2:])),
        )


def where_it_matters(shard: Shard, edits: Sequence[Edit], height: int, width: int) -> Tensor:
    """The hole that is filled, else the subject: [n, 1, height, width], in latent pixels."""
    where = at_subjects([shard.facts[e.target] for e in edits], height, width)
    for one, edit in zip(where, edits, strict=True):
        if edit.task == "inpaint":
            assert not isinstance(edit.source, int)
            hole = torch.from_numpy(spoiling.changed(edit.source, shard.pixels[edit.target]))
            one[0] = functional.adaptive_max_pool2d(hole[None].float(), (height, width))[0] > 0
    return where


class PairEdits:
    """Examples from an owner's folder of pairs."""

    def __init__(
        self, crops: PairCrops, vae: AutoencoderKL, *, batch: int, autocast: bool = True
    ) -> None:
        self._crops, self._vae = crops, vae
        self._batch, self._autocast = batch, autocast

    def batch(self, rng: random.Random) -> EditBatch:
        """Random crops of random pairs."""
        picks = [rng.randrange(len(self._crops.pairs)) for _ in range(self._batch)]
        drawn = [self._crops.draw(i, rng) for i in picks]
        sources, targets = (np.stack([pair[side] for pair in drawn]) for side in (0, 1))
        words = tuple(self._crops.pairs[i].instruction for i in picks)
        return _encoded(self._vae, (sources, targets), words, self._autocast)


class DrawnEdits:
    """Examples from drawings and what they show."""

    def __init__(
        self, pairs: SketchPairs, vae: AutoencoderKL, *, batch: int, autocast: bool = True
    ) -> None:
        self._pairs, self._vae = pairs, vae
        self._batch, self._autocast = batch, autocast

    def batch(self, rng: random.Random) -> EditBatch:
        """Random drawings, of which a photograph is wanted."""
        pixels = self._pairs.batch(self._batch, np.random.default_rng(rng.getrandbits(32)))
        words = tuple(from_sketch(rng) for _ in range(self._batch))
        return _encoded(self._vae, pixels, words, self._autocast)


class MixedEdits:
    """Batches from several sources, each as often as its weight says."""

    def __init__(self, sources: Sequence[tuple[EditExamples, float]]) -> None:
        self._sources, self._weights = [s for s, _ in sources], [weight for _, weight in sources]

    def batch(self, rng: random.Random) -> EditBatch:
        """A batch of one of them."""
        (chosen,) = rng.choices(self._sources, self._weights)
        return chosen.batch(rng)


def _encoded(
    vae: AutoencoderKL, pixels: Pairs, words: tuple[str, ...], autocast: bool
) -> EditBatch:
    """Sources and targets, uint8 [n, h, w, 3] each, as a batch in which all counts alike."""
    sources, targets = latents_of(vae, np.concatenate(pixels), autocast).cpu().chunk(2)
    return EditBatch(
        sources=sources,
        targets=targets * vae.config.scaling_factor,
        words=words,
        counts=torch.ones(len(sources), 1, *sources.shape[2:]),
    )
