"""Sheets of pictures to look at while a pocket model trains, and its export."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from inference.families.weights import let_others_read
from inference.training.data import Pixels
from inference.training.pocket import PocketTask, build_scheduler

PROMPTS = (
    "a pencil sketch",
    "a watercolour painting",
    "an oil painting",
    "neon lights",
    "pixel art",
    "comic book art",
    "stained glass window",
    "ink drawing",
)
SCENES = (
    "a lighthouse at night, oil painting",
    "a watercolour painting of a castle by a lake at sunset",
    "castle, winter, pencil sketch",
    "a photo of a red house in the hills",
    "a cat, comic book art",
    "a cup of coffee, watercolour",
    "a sailing boat at sunset, photo",
    "a portrait of a woman, neon lights",
)


def pipeline(
    task: PocketTask, vae: AutoencoderKL, average: Mapping[str, Mapping[str, Tensor]]
) -> StableDiffusionPipeline:
    """A complete pipeline in float32 on the CPU; from the averaged weights where there are any."""
    unet, text = copy.deepcopy(task.unet), copy.deepcopy(task.text_encoder)
    if average:
        unet.load_state_dict(average["unet"])
        if "text_encoder" in average:  # not where it was frozen
            text.load_state_dict(average["text_encoder"])
    made = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text.cpu().eval(),
        tokenizer=task.tokenizer,
        unet=unet.cpu().eval(),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def restyled(
    pipe: StableDiffusionPipeline,
    photos: Pixels,
    prompts: Sequence[str],
    *,
    strength: float,
    guidance: float,
    steps: int = 20,
) -> Image.Image:
    """One row for each photograph: as it is, then after each prompt."""
    worker = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    worker.set_progress_bar_config(disable=True)
    rows = []
    for photo in photos:
        done = worker(
            prompt=list(prompts),
            image=[Image.fromarray(photo)] * len(prompts),
            strength=strength,
            guidance_scale=guidance,
            num_inference_steps=steps,
            generator=torch.Generator().manual_seed(1),
        ).images
        rows.append(np.concatenate([photo, *[np.asarray(i) for i in done]], axis=1))
    return Image.fromarray(np.concatenate(rows))


def painted(
    pipe: StableDiffusionPipeline,
    prompts: Sequence[str],
    guidance: float,
    size: int = 256,
    steps: int = 20,
) -> Image.Image:
    """One picture from noise for each prompt, in rows of four."""
    done = pipe(
        prompt=list(prompts),
        guidance_scale=guidance,
        num_inference_steps=steps,
        height=size,
        width=size,
        generator=torch.Generator().manual_seed(2),
    ).images
    rows = [
        np.concatenate([np.asarray(i) for i in done[k : k + 4]], axis=1)
        for k in range(0, len(done), 4)
    ]
    return Image.fromarray(np.concatenate(rows))


class PocketSheets(PocketTask):
    """A pocket task that writes sample sheets from its averaged weights."""

    vae: AutoencoderKL
    photos: Pixels
    average: Mapping[str, Mapping[str, Tensor]]

    def watch(
        self, vae: AutoencoderKL, photos: Pixels, average: Mapping[str, Mapping[str, Tensor]]
    ) -> None:
        """What the sheets are made with; `average` may be filled in later."""
        self.vae, self.photos, self.average = vae, photos, average

    def sample(self, folder: Path, step: int) -> None:
        """Writes `painted-STEP.png` and `restyled-STEP.png`."""
        pipe = pipeline(self, self.vae, self.average)
        painted(pipe, SCENES, 3.0, 128).save(folder / f"painted-{step:06d}.png")
        if len(self.photos):
            restyled(pipe, self.photos, PROMPTS[:6], strength=0.6, guidance=2.0).save(
                folder / f"restyled-{step:06d}.png"
            )


def export(pipe: Any, folder: Path) -> None:
    """Writes a Stable Diffusion-type pipeline's diffusers folder.

    Autoencoder and UNet are in float16, the text encoder in float32: transformers loads a text
    encoder in the type it was saved in, and a float16 one would not fit a pipeline that is
    otherwise raised to float32 on a CPU.
    """
    slim = type(pipe)(
        **{
            **pipe.components,
            "unet": copy.deepcopy(pipe.unet).half(),
            "vae": copy.deepcopy(pipe.vae).half(),
        },
        requires_safety_checker=False,
    )
    # diffusers would write down where each part was read from: a path of this machine.
    for part in (slim.unet, slim.vae):
        part.register_to_config(_name_or_path="")
    slim.save_pretrained(folder)
    let_others_read(folder)
