"""Sheets of content and style pictures while an image adapter trains, and its export."""

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image
from torch import Tensor

from inference.families.weights import let_others_read, write_weights
from inference.image_adapter_info import TELLS
from inference.training.adapter import WEIGHTS, AdapterTask, adapter_state
from inference.training.averaged import averaged
from inference.training.rendering import photograph
from inference.training.styles import STYLES, stylise
from inference.training.world import HELD_OUT, scene

STEPS, STRENGTH, GUIDANCE = 20, 0.7, 2.0


class AdapterSheets(AdapterTask):
    """An adapter task that writes sample sheets from its averaged weights."""

    side: int
    average: Mapping[str, Mapping[str, Tensor]]

    def watch(self, side: int, average: Mapping[str, Mapping[str, Tensor]]) -> None:
        """side: of the sheets' pictures, in pixels. `average` may be filled in later."""
        self.side, self.average = side, average

    def sample(self, folder: Path, step: int) -> None:
        """Writes `styled-STEP.png`: a held-out scene in the style of another, for six styles.

        In each row the content, the style picture, the answer, and the filter's own result.
        """
        size = (self.side, self.side)
        rows = []
        with averaged(self.modules(), self.average):
            worker = StableDiffusionImg2ImgPipeline(
                **self.pipe.components, requires_safety_checker=False
            )
            worker.set_progress_bar_config(disable=True)
            for i, style in enumerate(list(STYLES)[1:7]):
                body = photograph(scene(HELD_OUT + i), size)
                other = photograph(scene(HELD_OUT + 100 + i), size)
                pictures = [
                    (part * 255 + 0.5).astype(np.uint8)
                    for part in (body, stylise(other, style, i), stylise(body, style, i))
                ]
                answer = worker(
                    "",
                    image=Image.fromarray(pictures[0]),
                    ip_adapter_image=Image.fromarray(pictures[1]),
                    strength=STRENGTH,
                    guidance_scale=GUIDANCE,
                    num_inference_steps=STEPS,
                    generator=torch.Generator().manual_seed(1),
                ).images[0]
                row = [*pictures[:2], np.asarray(answer), pictures[2]]
                rows.append(np.concatenate(row, axis=1))
        Image.fromarray(np.concatenate(rows)).save(folder / f"styled-{step:06d}.png")

    def export(self, folder: Path) -> None:
        """Writes what `load_ip_adapter` reads: `ip_adapter.safetensors` and `image_encoder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with averaged(self.modules(), self.average):
            state = adapter_state(self.pipe.unet)
            half = {key: value.half() for key, value in state.items()}
            write_weights(half, folder / WEIGHTS, {TELLS: "style"})
            copy.deepcopy(self.pipe.image_encoder).half().save_pretrained(folder / "image_encoder")
        let_others_read(folder / "image_encoder")
