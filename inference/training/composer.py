"""Teaches a composer: rectified flow on photographs of one thing, told by captions of any style.

What the caption says of the style is the model's business, which paints over what is composed.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference.errors import RequestError
from inference.families.composer import ComposerNet
from inference.training.autoencoder import to_pixels
from inference.training.averaged import averaged
from inference.training.captions import STYLE_WORDS, SUBJECT_WORDS, TIME_WORDS, caption
from inference.training.data import Facts
from inference.training.pocket import Latents, at_subjects, focus
from inference.training.sheets import sheet
from inference.training.subjects import SUBJECTS
from inference.training.tokens import ids_of

NOISIER = 0.4
"""How much more often than not a step is one of much noise: the mean of t's logit, whose deviation
is 1 (Esser et al. 2024, "Scaling Rectified Flow Transformers", section 3.1)."""


class ComposerTask:
    """Trains the network on cached latents; the text encoder stays as it is."""

    def __init__(
        self,
        net: ComposerNet,
        text_encoder: Any,
        tokenizer: Any,
        latents: Sequence[Latents],
        *,
        dropout: float = 0.1,
        device: str = "cpu",
        autocast: bool = True,
    ) -> None:
        """dropout: share of examples without words. Raises RequestError for latents without a
        photograph of the world.
        """
        self.net = net.to(device)
        self.text_encoder = text_encoder.to(device).eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.latents = list(latents)
        self.shown = [_photographs(one.facts) for one in latents]
        self.dropout = dropout
        self.device, self.autocast = torch.device(device), autocast

    def modules(self) -> dict[str, nn.Module]:
        """The network."""
        return {"composer": self.net}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the velocity over one batch of one size, most of all where the subjects
        stand.
        """
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        weights = [latents.weight for latents in self.latents]
        ((latents, shown),) = rng.choices([*zip(self.latents, self.shown, strict=True)], weights)
        chosen = rng.choices(shown, k=latents.batch)
        target = latents.values[chosen].float()
        noise = torch.randn(target.shape, generator=generator)
        times = torch.sigmoid(torch.randn(len(chosen), generator=generator) + NOISIER)
        mixed = torch.lerp(target, noise, times[:, None, None, None]).to(self.device)
        facts = [latents.facts[index] for index in chosen]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            pooled = self.pooled([self._words(one, rng) for one in facts])
            found = self.net(mixed, times.to(self.device), pooled)
        counts = focus(at_subjects(facts, *target.shape[2:])).to(self.device)
        wanted = (noise - target).to(self.device)
        loss = ((found.float() - wanted).square() * counts).mean()
        return loss, {"loss": loss.item()}

    @torch.no_grad()
    def pooled(self, texts: Sequence[str]) -> Tensor:
        """What the text encoder makes of each, [n, width]."""
        ids = ids_of(self.tokenizer, texts).to(self.device)
        # What follows the end of the longest is heard by nothing before it.
        ends = (ids == self.tokenizer.eos_token_id).int().argmax(dim=1)
        found: Tensor = self.text_encoder(ids[:, : int(ends.max()) + 1]).pooler_output
        return found

    def _words(self, facts: Facts, rng: random.Random) -> str:
        if rng.random() < self.dropout:
            return ""
        return caption(replace(facts, style=rng.choice(tuple(STYLE_WORDS))), rng)

    def sample(self, folder: Path, step: int) -> None:
        """There is nothing to look at."""


class ComposerSheets(ComposerTask):
    """Writes sheets of what the averaged weights compose."""

    vae: Any
    average: Mapping[str, Mapping[str, Tensor]]

    def watch(self, vae: Any, average: Mapping[str, Mapping[str, Tensor]]) -> None:
        """What the sheets are made with; `average` may be filled in later."""
        self.vae, self.average = vae, average

    @torch.no_grad()
    def sample(self, folder: Path, step: int) -> None:
        """Writes `composed-STEP.png`: every subject, in columns of one time each."""
        height, width = self.latents[0].values.shape[2:]
        channels = self.net.config.latent_channels
        columns = []
        with averaged(self.modules(), {"composer": self.average["composer"]}):
            for time, words in TIME_WORDS.items():
                asked = [f"a photo of {_name(subject)} {words[0]}" for subject in SUBJECTS]
                noise = torch.randn(
                    (len(asked), channels, height, width),
                    generator=torch.Generator().manual_seed(len(time)),
                ).to(self.device)
                none = self.pooled([""]).expand(len(asked), -1)
                made = self.net.sample(noise, self.pooled(asked), none)
                latents = made / self.vae.config.scaling_factor
                columns.append(to_pixels(self.vae.decode(latents).sample))
        sheet(columns, 4).save(folder / f"composed-{step:06d}.png")


def _photographs(facts: Sequence[Facts]) -> list[int]:
    found = [i for i, one in enumerate(facts) if one.kind == "world" and one.style == "photo"]
    if not found:
        raise RequestError(
            "The shards hold no photographs of the world; `render --compositions` makes them."
        )
    return found


def _name(subject: str) -> str:
    return "a " + SUBJECT_WORDS.get(subject, (subject,))[0]
