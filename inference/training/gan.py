"""The conditional GAN: generator against discriminator on pairs (Isola et al. 2017, "pix2pix").

In each step the discriminator learns to tell a real output from a made one, given the input; then
the generator learns to be taken for real and to stay near the true output (`difference`). The
game's state is the discriminator's accuracy on held-out pairs: near 50 % it cannot tell any more,
near 100 % the generator has lost.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.families.pix2pix import Generator
from inference.training.adversary import Discriminator, patch_accuracy
from inference.training.autoencoder import to_pixels, to_tensor
from inference.training.data import Pixels
from inference.training.gan_data import PairSource
from inference.training.loop import LoopSettings, Trainer
from inference.training.sheets import sheet

GAME = "game.json"
"""Lies beside a finished model and says how its game ended: what `GanTask.contest` gives."""

SCALES = (4, 16)
"""By how much pictures are made smaller where the colours of whole things are compared."""
LARGE = 0.25
"""An error that counts squared as much as it does itself, of a range of 2."""

Module = TypeVar("Module", bound=nn.Module)


def _placed(module: Module, device: str) -> Module:
    # torch's own types do not know this form of `to`.
    placed: Any = module.to(device)
    return cast(Module, placed.to(memory_format=torch.channels_last))


def difference(made: Tensor, outputs: Tensor) -> Tensor:
    """How far pictures [n, 3, h, w] in -1..1 are apart: the mean absolute error, as in the paper,
    and with it that at each of `SCALES`, squared and divided by `LARGE`.

    The absolute error alone is mostly texture that nobody can foresee, and its gradient is the same
    for a little too much green as for a cat that is green. Where texture is averaged away and
    errors are squared, a whole thing of a wrong colour counts most.
    """
    apart = made - outputs
    coarse = [functional.avg_pool2d(apart, scale).square().mean() / LARGE for scale in SCALES]
    return apart.abs().mean() + torch.stack(coarse).sum()


class GanTask:
    """The two players and what they play for."""

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        pairs: PairSource,
        *,
        batch: int = 8,
        likeness: float = 50.0,
        pace: float = 0.5,
        device: str = "cpu",
        autocast: bool = True,
        watch: Sequence[tuple[str, Pixels]] = (),
    ) -> None:
        """`likeness` weighs the `difference`; `pace` is the discriminator's share of the
        learning rate; `watch` names more inputs [n, h, w, 3] for the sheets.
        """
        self.generator = _placed(generator, device)
        self.discriminator = _placed(discriminator, device)
        self.pairs, self.batch = pairs, batch
        self.likeness, self.pace = likeness, pace
        self.device, self.autocast = torch.device(device), autocast
        self.watch = watch
        self.average: Mapping[str, Mapping[str, Tensor]] = {}
        """Where the trainer keeps the averaged weights that the sheets are made with."""

    def modules(self) -> dict[str, nn.Module]:
        """Both players."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs and outputs, [batch, 3, side, side] each, RGB in -1..1."""
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        inputs, outputs = self.pairs.batch(self.batch, rng)
        return self._tensor(inputs), self._tensor(outputs)

    def made(self, inputs: Tensor) -> Tensor:
        """What the generator makes of them."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            return self.generator(inputs).float()

    def judged(self, inputs: Tensor, pictures: Tensor) -> Tensor:
        """The discriminator's logits."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            return self.discriminator(inputs, pictures).float()

    def opponent_loss(
        self, inputs: Tensor, outputs: Tensor, made: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """The discriminator's: cross-entropy, halved as in the paper; `made` is detached."""
        self.discriminator.requires_grad_(True)
        real, fake = self.judged(inputs, outputs), self.judged(inputs, made)
        loss = 0.5 * (functional.softplus(-real).mean() + functional.softplus(fake).mean())
        return loss, {"d": loss.item(), "acc": patch_accuracy(real.detach(), fake.detach())}

    def generator_loss(
        self, inputs: Tensor, outputs: Tensor, made: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """The generator's: to be taken for real, and the difference."""
        self.discriminator.requires_grad_(False)
        fooling = functional.softplus(-self.judged(inputs, made)).mean()
        error = difference(made, outputs)
        found = (made - outputs).detach().abs().mean()
        return fooling + self.likeness * error, {"g": fooling.item(), "l1": found.item()}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The generator's turn alone, on one batch."""
        inputs, outputs = self.draw(generator)
        return self.generator_loss(inputs, outputs, self.made(inputs))

    @torch.no_grad()
    def contest(self) -> dict[str, float]:
        """On held-out pairs: the discriminator's accuracy and the mean absolute error, 0..1.

        The generator plays with its averaged weights, which are those that will be exported.
        """
        generator = self.averaged()
        self.discriminator.eval()
        right, errors = [], []
        for one, other in zip(*self.pairs.held_out(), strict=True):
            inputs, outputs = self._tensor(one[None]), self._tensor(other[None])
            fake = generator(inputs)
            right.append(
                patch_accuracy(
                    self.discriminator(inputs, outputs), self.discriminator(inputs, fake)
                )
            )
            errors.append(float((fake - outputs).abs().mean()) / 2)
        self.discriminator.train()
        return {"accuracy": float(np.mean(right)), "error": float(np.mean(errors))}

    def averaged(self) -> Generator:
        """A copy of the generator with the averaged weights, where there are any."""
        copy = Generator(self.generator.config).to(self.device)
        copy.load_state_dict(dict(self.average.get("generator", self.generator.state_dict())))
        return copy.eval().requires_grad_(False)

    def sample(self, folder: Path, step: int) -> None:
        """Prints the contest's figures; writes `pairs-STEP.png` (input, made, true in columns)
        and a `NAME-STEP.png` (input, made) for each watched pile.
        """
        figures = self.contest()
        print(
            f"step {step}: held-out pairs, discriminator right {100 * figures['accuracy']:.1f} %, "
            f"mean error {255 * figures['error']:.2f}/255",
            flush=True,
        )
        inputs, outputs = (side[:16] for side in self.pairs.held_out())
        generator = self.averaged()
        sheet([inputs, self._through(generator, inputs), outputs], 2).save(
            folder / f"pairs-{step:06d}.png"
        )
        for name, pile in self.watch:
            sheet([pile, self._through(generator, pile)], 1).save(folder / f"{name}-{step:06d}.png")

    def _through(self, generator: Generator, pile: Pixels) -> Pixels:
        with torch.no_grad():
            return to_pixels(torch.cat([generator(self._tensor(one[None])) for one in pile]))

    def _tensor(self, pixels: Pixels) -> Tensor:
        return to_tensor(pixels).contiguous(memory_format=torch.channels_last).to(self.device)


class GanTrainer(Trainer):
    """The shared loop with two players and an optimiser for each, both in the checkpoint."""

    def __init__(self, task: GanTask, settings: LoopSettings, made_for: str = "") -> None:
        super().__init__(task, settings, made_for)
        self.game = task
        task.average = self.average
        self.parameters = list(task.generator.parameters())
        self.others = list(task.discriminator.parameters())
        self.optimizer, self.opponent = (
            torch.optim.AdamW(p, settings.learning_rate, betas=(0.5, 0.99), weight_decay=0.0)
            for p in (self.parameters, self.others)
        )

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return super().state() | {"opponent": self.opponent.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        super().restore(state)
        self.opponent.load_state_dict(state["opponent"])

    def _update(self) -> dict[str, float]:
        rate = self.settings.learning_rate
        self._set_rate(self.optimizer, rate)
        self._set_rate(self.opponent, rate * self.game.pace)
        inputs, outputs = self.game.draw(self._generator())
        made = self.game.made(inputs)
        loss, figures = self.game.opponent_loss(inputs, outputs, made.detach())
        self._descend(loss, self.opponent, self.others)
        loss, more = self.game.generator_loss(inputs, outputs, made)
        if self._descend(loss, self.optimizer, self.parameters):
            self._track()
        return figures | more
