"""Sheets of edits to look at while an editor trains, and its export."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from PIL import Image
from torch import Tensor

from inference.training import samples, spoiling
from inference.training.averaged import averaged
from inference.training.crops import PairCrops
from inference.training.data import Pixels
from inference.training.drawings import child_drawing
from inference.training.edit import EditTask
from inference.training.rendering import photograph
from inference.training.styles import stylise
from inference.training.world import HELD_OUT, scene

STEPS, GUIDANCE = 20, 2.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shown:
    """One row of a sheet: uint8 [h, w, 3], what is asked for, and the truth."""

    source: Pixels
    words: str
    truth: Pixels


def world_rows(size: tuple[int, int], count: int = 8) -> list[Shown]:
    """Held-out scenes, each with another task; `size` is (width, height)."""
    rows = []
    for i in range(count):
        body = photograph(scene(HELD_OUT + i), size)
        truth = (body * 255 + 0.5).astype(np.uint8)
        rng = np.random.default_rng((31, i))
        painted = (stylise(body, "watercolour", i) * 255 + 0.5).astype(np.uint8)
        pencil = (stylise(body, "pencil", i) * 255 + 0.5).astype(np.uint8)
        child = (child_drawing(body, rng) * 255 + 0.5).astype(np.uint8)
        rows.append(
            (
                Shown(source=spoiling.grey(truth), words="colorize", truth=truth),
                Shown(source=spoiling.noisy(truth, 30, rng), words="remove the noise", truth=truth),
                Shown(source=spoiling.halved(truth), words="upscale", truth=truth),
                Shown(source=spoiling.blurred(truth, 2), words="sharpen", truth=truth),
                Shown(source=pencil, words="turn the sketch into a photo", truth=truth),
                Shown(source=child, words="turn the drawing into a photo", truth=truth),
                Shown(source=truth, words="make it a watercolour painting", truth=painted),
                Shown(source=spoiling.holed(truth, rng), words="fill the hole", truth=truth),
            )[i % 8]
        )
    return rows


def pair_rows(crops: PairCrops, count: int = 4) -> list[Shown]:
    """The middles of the first pairs."""
    rows = []
    for i, pair in enumerate(crops.pairs[:count]):
        source, truth = crops.centre(i)
        rows.append(Shown(source=source, words=pair.instruction, truth=truth))
    return rows


def edited(pipe: Any, rows: Sequence[Shown]) -> Image.Image:
    """One row for each: the source, the model's answer, and the truth."""
    lines = []
    for row in rows:
        done = pipe(
            row.words,
            image=Image.fromarray(row.source),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(3),
        ).images[0]
        lines.append(np.concatenate([row.source, np.asarray(done), row.truth], axis=1))
    return Image.fromarray(np.concatenate(lines))


class EditSheets(EditTask):
    """An edit task that writes sample sheets from its averaged weights."""

    base: Any
    rows: Sequence[Shown]
    average: Mapping[str, Mapping[str, Tensor]]

    def watch(
        self, base: Any, rows: Sequence[Shown], average: Mapping[str, Mapping[str, Tensor]]
    ) -> None:
        """base: the pipeline that training started from, whose other parts are used.

        `average` may be filled in later.
        """
        self.base, self.rows, self.average = base, rows, average

    def pipeline(self) -> StableDiffusionInstructPix2PixPipeline:
        """The editor as it stands; its weights are the task's own."""
        made = StableDiffusionInstructPix2PixPipeline(
            vae=self.base.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=self.base.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        made.set_progress_bar_config(disable=True)
        return made

    def sample(self, folder: Path, step: int) -> None:
        """Writes `edited-STEP.png`."""
        with averaged(self.modules(), self.average):
            edited(self.pipeline(), self.rows).save(folder / f"edited-{step:06d}.png")

    def export(self, folder: Path, title: str) -> None:
        """Writes the diffusers folder, from the averaged weights, with its `palimpsest.json`."""
        with averaged(self.modules(), self.average):
            samples.export(self.pipeline(), folder)
        own = {"title": title, "steps": STEPS, "guidance": GUIDANCE}
        (folder / "palimpsest.json").write_text(json.dumps(own, indent=2) + "\n")
