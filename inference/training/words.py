"""The text encoder learns what words mean before anything is painted by them.

A text encoder that is trained through the painting alone soon hears the style, which changes every
pixel, and hardly the subject: what it does not say yet cannot be painted, and what is not painted
teaches it nothing. So it is first asked what is true of the picture that a caption is of, as CLIP's
learns from captions (Radford et al. 2021), but from the facts themselves. Not every caption says
every fact, so not all can be named. What it answers to other texts, such as an editor's
instructions, is held where it was.
"""

import copy
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel

from inference.training.captions import (
    SEASON_WORDS,
    STYLE_WORDS,
    TIME_WORDS,
    WEATHER_WORDS,
    caption,
)
from inference.training.data import Facts
from inference.training.instructions import WORDINGS
from inference.training.subjects import SUBJECTS
from inference.training.tokens import ids_of

NAMES: dict[str, tuple[str, ...]] = {
    "style": tuple(STYLE_WORDS),
    "subject": tuple(SUBJECTS),
    "time": tuple(TIME_WORDS),
    "season": tuple(SEASON_WORDS),
    "weather": tuple(WEATHER_WORDS),
}
"""What it names, and among which names."""
UNSAID = -100
"""Stands for what a caption cannot say, such as the subject of a photograph."""
HELD = 4
"""One instruction comes with so many captions."""
FAITH = 2.0
"""Weight of the squared distance to what was said before to captions."""
HELD_FAITH = 20.0
"""The same for instructions."""


class Namer(nn.Module):
    """Logits of every fact from hidden states [n, width].

    A name's direction has length 1, so that a sure answer takes a large part of the hidden state
    and not a large weight: the UNet's keys and values have to hear it too.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.names = nn.ParameterDict(
            {fact: torch.randn(len(names), width) for fact, names in NAMES.items()}
        )

    def forward(self, hidden: Tensor) -> dict[str, Tensor]:
        """One row for each text, one column for each name."""
        return {
            fact: functional.linear(hidden, functional.normalize(directions, dim=1))
            for fact, directions in self.names.items()
        }


def truths(facts: Sequence[Facts]) -> dict[str, Tensor]:
    """The names' places, int64 [n]; UNSAID where there is none."""

    def place(fact: str, value: str) -> int:
        return NAMES[fact].index(value) if value in NAMES[fact] else UNSAID

    return {
        fact: torch.tensor([place(fact, str(getattr(one, fact))) for one in facts])
        for fact in NAMES
    }


class WordsTask:
    """Trains a text encoder to say what captions tell, and a `Namer` that is thrown away."""

    def __init__(
        self,
        text_encoder: CLIPTextModel,
        tokenizer: Any,
        facts: Sequence[Facts],
        *,
        batch: int = 32,
        device: str = "cpu",
    ) -> None:
        self.before = copy.deepcopy(text_encoder).to(device).eval().requires_grad_(False)
        self.text_encoder = text_encoder.to(device)
        self.namer = Namer(text_encoder.config.hidden_size).to(device)
        self.tokenizer, self.facts, self.batch = tokenizer, list(facts), batch
        self.device = torch.device(device)

    def modules(self) -> dict[str, nn.Module]:
        """The text encoder and the namer."""
        return {"text_encoder": self.text_encoder, "namer": self.namer}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of what captions say, and the distance to what was said before."""
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        told = rng.choices(self.facts, k=self.batch)
        captions = [caption(one, rng, rng.random() < 0.8) for one in told]
        held = [_instruction(rng) for _ in range(max(1, self.batch // HELD))]
        ids = ids_of(self.tokenizer, [*captions, *held]).to(self.device)
        # What follows a text's end repeats it, so a part of that is enough, here and there all.
        longest = int((ids == self.tokenizer.eos_token_id).int().argmax(dim=1).max()) + 2
        ids = ids[:, : rng.randint(min(longest, ids.shape[1]), ids.shape[1])]
        hidden = self.text_encoder(ids)[0]
        with torch.no_grad():
            before = self.before(ids)[0]
        apart = (hidden - before).square().mean(dim=(1, 2))
        faith = FAITH * apart[: self.batch].mean() + HELD_FAITH * apart[self.batch :].mean()
        ends = (ids[: self.batch] == self.tokenizer.eos_token_id).int().argmax(dim=1)
        length = ids.shape[1]
        later = torch.tensor([rng.randrange(int(end), length) for end in ends], device=self.device)
        rows = torch.arange(self.batch, device=self.device)
        figures: dict[str, float] = {}
        loss = faith
        wanted = {fact: places.to(self.device) for fact, places in truths(told).items()}
        for places in (ends, later):
            for fact, logits in self.namer(hidden[rows, places]).items():
                truth = wanted[fact]
                if bool((truth != UNSAID).any()):
                    loss = loss + functional.cross_entropy(logits, truth, ignore_index=UNSAID)
                    right = (logits.argmax(dim=1) == truth)[truth != UNSAID].float().mean()
                    figures[fact] = figures.get(fact, 0.0) + float(right) / 2
        return loss, {"loss": loss.item(), "faith": faith.item()} | figures

    def sample(self, folder: Path, step: int) -> None:
        """There is nothing to look at."""


def _instruction(rng: random.Random) -> str:
    return rng.choice(WORDINGS[rng.choice(list(WORDINGS))])
