"""The editor: a diffusion model that sees the source and is told what to make of it.

The construction of InstructPix2Pix (Brooks et al. 2023): the source's latents join the noisy ones
as further input channels, whose weights begin at zero, so that training starts from the plain
model. In 5 % of the examples the words are dropped, in 5 % the source and in 5 % both, which is
what the two guidances (their equation 3) need.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from inference.errors import ModelError
from inference.training.edits import EditBatch, EditExamples
from inference.training.noising import Noising
from inference.training.tokens import ids_of

DROPPED = 0.05
"""Share of the examples without words, likewise without a source, likewise without both."""
PURE = 0.1
"""Share of the examples at the last step, where a picture begins."""


def widen(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The same UNet with room for the source's latents, changed in place; ready ones are kept.

    Raises ModelError for a UNet that is made for other inputs, such as a mask.
    """
    own = unet.config.out_channels
    if unet.config.in_channels == 2 * own:
        return unet
    if unet.config.in_channels != own:
        raise ModelError(
            f"The model's UNet has {unet.config.in_channels} input channels; editing starts from "
            f"one with {own} or {2 * own}."
        )
    old = unet.conv_in
    wide = nn.Conv2d(2 * own, old.out_channels, old.kernel_size, padding=old.padding)
    wide = wide.to(old.weight.device, old.weight.dtype)
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, :own] = old.weight
    wide.bias = old.bias
    unet.conv_in = wide
    unet.register_to_config(in_channels=2 * own)
    return unet


def narrowed(unet: UNet2DConditionModel, channels: Sequence[int]) -> UNet2DConditionModel:
    """A UNet of the same kind with fewer channels, one number for each level, to be trained on.

    It begins with every so manieth of the weights (weight selection, Xu et al. 2024, "Initializing
    Models with Larger Ones"). Raises ModelError where a UNet of this kind cannot have so many.
    """
    try:
        config = {**unet.config, "block_out_channels": tuple(channels), "_name_or_path": ""}
        made = UNet2DConditionModel.from_config(config)
    except ValueError as error:
        raise ModelError(f"A UNet cannot have these channels: {error}") from error
    state = unet.state_dict()
    made.load_state_dict(
        {key: _selected(state[key], value.shape) for key, value in made.state_dict().items()}
    )
    return made


def _selected(weights: Tensor, shape: torch.Size) -> Tensor:
    """Evenly spaced entries in every dimension."""
    for dimension, wanted in enumerate(shape):
        chosen = torch.arange(wanted) * weights.shape[dimension] // wanted
        weights = weights.index_select(dimension, chosen)
    return weights


def drop(batch: EditBatch, rng: random.Random) -> EditBatch:
    """The batch with some words and some sources taken away; a missing source is all zeros."""
    words, kept = [], torch.ones(len(batch.words), 1, 1, 1)
    for i, said in enumerate(batch.words):
        roll = rng.random() / DROPPED
        words.append("" if roll < 1 or 2 <= roll < 3 else said)
        kept[i] = 0 if 1 <= roll < 3 else 1
    return replace(batch, sources=batch.sources * kept, words=tuple(words))


def draw_step(last: int, rng: random.Random) -> int:
    """A step of 0 to `last`; a step is the likelier the later, that is the noisier, it is.

    What the source says is decided in the noise: with as many steps of training, this lowers the
    error there by 3 to 6 % against even draws, for 2 % more where little noise is left.
    """
    return last if rng.random() < PURE else int((last + 1) * rng.random() ** 0.5)


class EditTask:
    """Trains the UNet, and the text encoder unless it is frozen, on examples of editing."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        examples: EditExamples,
        noising: Noising,
        *,
        device: str = "cpu",
        freeze_text: bool = False,
        autocast: bool = True,
    ) -> None:
        """`unet` is as `widen` leaves it."""
        self.unet = unet.to(device).to(memory_format=torch.channels_last)
        self.text_encoder = text_encoder.to(device).requires_grad_(not freeze_text)
        self.tokenizer = tokenizer
        self.examples, self.noising = examples, noising
        self.device = torch.device(device)
        self.freeze_text, self.autocast = freeze_text, autocast

    def modules(self) -> dict[str, nn.Module]:
        """The UNet and the text encoder, where it is trained."""
        trained: dict[str, nn.Module] = {"unet": self.unet}
        return trained if self.freeze_text else trained | {"text_encoder": self.text_encoder}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction over one batch, weighted as its examples say."""
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        batch = drop(self.examples.batch(rng), rng)
        last = self.noising.steps - 1
        steps = torch.tensor([draw_step(last, rng) for _ in batch.words])
        noise = torch.randn(batch.targets.shape, generator=generator)
        noisy = self.noising.noisy(batch.targets, noise, steps)
        wanted = self.noising.wanted(batch.targets, noise, steps).to(self.device)
        seen = torch.cat([noisy, batch.sources], dim=1).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            ids = ids_of(self.tokenizer, batch.words).to(self.device)
            hidden = self.text_encoder(ids)[0]
            answer = self.unet(
                seen.contiguous(memory_format=torch.channels_last), steps.to(self.device), hidden
            ).sample
        loss = ((answer.float() - wanted).square() * batch.counts.to(self.device)).mean()
        return loss, {"loss": loss.item()}

    def sample(self, folder: Path, step: int) -> None:
        """Sheets are made by `edit_sheets.EditSheets`, which wraps this."""
