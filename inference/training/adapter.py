"""A picture as a prompt: what it shows in style, said to a frozen model by an image adapter.

The construction of IP-Adapter (Ye et al. 2023): an image encoder's vector becomes four tokens, and
every cross-attention gets a second pair of key and value projections for them, whose result is
added to that of the words. There is no pretrained image encoder here, so a small one first learns
to name styles (`looking`), and its judge stays with it.

What is learned is style, not content: the picture that prompts shows something else than the one
that is to come out, in the same style; the words, if any, never name it. The teacher is the model
itself, told the style in words: what it answers then is what it shall answer to the picture (a
distillation, Hinton et al. 2015), which is a far less noisy aim than the target's own noise.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from inference.errors import ModelError
from inference.families.quiet import quiet
from inference.families.weights import first_line
from inference.training.captions import STYLE_WORDS, content
from inference.training.edits import same_body
from inference.training.looking import glance, to_encoder
from inference.training.lora import WEAKEST
from inference.training.noising import Noising, carrying
from inference.training.pocket import Latents
from inference.training.shards import Shard
from inference.training.styles import STYLES

WEIGHTS = "ip_adapter.safetensors"
TOKENS = 4
"""As many as diffusers takes for granted."""
SIDE = 128
"""What the image encoder sees, in pixels each way."""
DROPPED = 0.05
"""Share of the examples without words, likewise without the style picture, likewise neither."""
JUDGED = 0.1
"""Weight of the judge's error."""
TAUGHT = 0.75
"""What the teacher's answer counts beside the target."""


def build_image_encoder(
    width: int = 128, layers: int = 3, side: int = SIDE, patch: int = 16
) -> CLIPVisionModelWithProjection:
    """An untrained vision transformer that makes one vector, `width` wide, of a picture."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            projection_dim=width,
            image_size=side,
            patch_size=patch,
        )
    )


def read_encoder(folder: Path) -> CLIPVisionModelWithProjection:
    """The image encoder of an adapter's folder. Raises ModelError that names it."""
    try:
        with quiet():
            return CLIPVisionModelWithProjection.from_pretrained(
                folder / "image_encoder", dtype=torch.float32, local_files_only=True
            )
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no image encoder: {first_line(error)}") from error


def add_trained_adapter(pipe: Any, encoder: CLIPVisionModelWithProjection, folder: Path) -> None:
    """Gives the pipeline the adapter whose weights lie in a folder. Raises ModelError."""
    pipe.register_modules(image_encoder=encoder)
    try:
        with quiet():
            pipe.load_ip_adapter(
                folder, subfolder="", weight_name=WEIGHTS, image_encoder_folder=None
            )
    # Damage and shapes that do not fit surface somewhere inside three libraries.
    except Exception as error:
        raise ModelError(
            f"{folder / WEIGHTS} is no adapter for this model: {first_line(error)}"
        ) from error


def add_adapter(pipe: Any, encoder: CLIPVisionModelWithProjection) -> None:
    """Gives the pipeline an image adapter: its own keys and values for pictures as for words."""
    unet, width = pipe.unet, encoder.config.projection_dim
    projection = ImageProjection(width, unet.config.cross_attention_dim, TOKENS)
    into = {
        "proj.weight": projection.image_embeds.weight,
        "proj.bias": projection.image_embeds.bias,
        "norm.weight": projection.norm.weight,
        "norm.bias": projection.norm.bias,
    }
    attention = {}
    for number, name in _cross_attention(unet):
        layer = unet.get_submodule(name.removesuffix(".processor"))
        attention[f"{number}.to_k_ip.weight"] = layer.to_k.weight
        attention[f"{number}.to_v_ip.weight"] = layer.to_v.weight
    state = {
        "image_proj": {key: value.detach().clone() for key, value in into.items()},
        "ip_adapter": {key: value.detach().clone() for key, value in attention.items()},
    }
    pipe.register_modules(image_encoder=encoder)
    pipe.load_ip_adapter(state, subfolder="", weight_name="", image_encoder_folder=None)


def adapter_state(unet: Any) -> dict[str, Tensor]:
    """An adapter's weights under the names that `load_ip_adapter` reads."""
    (projection,) = unet.encoder_hid_proj.image_projection_layers
    state = {
        "image_proj.proj.weight": projection.image_embeds.weight,
        "image_proj.proj.bias": projection.image_embeds.bias,
        "image_proj.norm.weight": projection.norm.weight,
        "image_proj.norm.bias": projection.norm.bias,
    }
    for number, name in _cross_attention(unet):
        processor = unet.attn_processors[name]
        state[f"ip_adapter.{number}.to_k_ip.weight"] = processor.to_k_ip[0].weight
        state[f"ip_adapter.{number}.to_v_ip.weight"] = processor.to_v_ip[0].weight
    return {key: value.detach() for key, value in state.items()}


def _cross_attention(unet: Any) -> list[tuple[int, str]]:
    """The cross-attention's processors with the odd numbers that files know them by."""
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    return [(2 * i + 1, name) for i, name in enumerate(names)]


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleDraw:
    """One example: indices into the shard, the steps, the words, which never name the style, and
    what the teacher is told, which does.
    """

    target: int
    source: int
    style: int
    step: int
    entry: int
    words: str
    told: str


def styles_of(shard: Shard) -> dict[str, list[int]]:
    """The shard's pictures by style."""
    found: dict[str, list[int]] = {}
    for i, facts in enumerate(shard.facts):
        found.setdefault(facts.style, []).append(i)
    return found


def draw_style(
    shard: Shard,
    by_style: Mapping[str, list[int]],
    rng: random.Random,
    *,
    sources: float,
    first: int,
    steps: int,
) -> StyleDraw:
    """A target, another geometry's picture in its style, and for a share `sources` a source.

    A source enters at one of the steps from `first` to the last of all `steps`.
    """
    while True:
        begin = rng.randrange(len(shard.facts) // shard.per_group) * shard.per_group
        target = begin + rng.randrange(shard.per_group)
        style = rng.choice(by_style[shard.facts[target].style])
        if not begin <= style < begin + shard.per_group:
            break
    facts = shard.facts[target]
    words = content(facts, rng) if rng.random() < 0.6 else ""
    noun = rng.choice(STYLE_WORDS[facts.style])
    told = f"{noun} of {words}" if words else noun
    source = same_body(shard, begin, target, rng) if rng.random() < sources else None
    entry = steps - 1 if source is None else rng.randrange(first, steps)
    step = entry if rng.random() < (0.04 if source is None else 0.15) else rng.randrange(entry + 1)
    return StyleDraw(
        target=target,
        source=target if source is None else source,
        style=style,
        step=step,
        entry=entry,
        words=words,
        told=told,
    )


class AdapterTask:
    """Trains the image encoder, its projection and the second keys and values."""

    def __init__(
        self,
        pipe: Any,
        shards: Sequence[Shard],
        latents: Sequence[Latents],
        noising: Noising,
        judge: nn.Linear,
        *,
        sources: float = 0.8,
        device: str = "cpu",
        autocast: bool = True,
    ) -> None:
        """`pipe` is as `add_adapter` leaves it; `latents` are those of `shards`, in their order;
        `judge` names styles by the image encoder's vectors, as `LookingTask` leaves it.
        """
        self.pipe = pipe.to(device)
        for part in (pipe.unet, pipe.text_encoder, pipe.vae):
            part.requires_grad_(False)
        self.attention = nn.ParameterDict(
            {
                name.replace(".", "/"): parameter
                for name, parameter in pipe.unet.named_parameters()
                if "_ip." in name
            }
        )
        self.judge = judge.to(device)
        for module in self.modules().values():
            module.requires_grad_(True)
        self.shards, self.latents = list(shards), list(latents)
        self.by_style = [styles_of(shard) for shard in shards]
        self.noising, self.sources = noising, sources
        self.first = round(WEAKEST * noising.steps)
        self.device, self.autocast = torch.device(device), autocast

    def modules(self) -> dict[str, nn.Module]:
        """What is trained; the judge is not part of the adapter."""
        return {
            "image_encoder": self.pipe.image_encoder,
            "projection": self.pipe.unet.encoder_hid_proj,
            "attention": self.attention,
            "judge": self.judge,
        }

    def prompts(self, shard: Shard, draws: Sequence[StyleDraw], rng: random.Random) -> Tensor:
        """Random squares of the style pictures, for the image encoder."""
        parts = [glance(shard.pixels[one.style], rng) for one in draws]
        return to_encoder(parts, self.pipe.image_encoder.config.image_size).to(self.device)

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction over one batch of one size, and the judge's error."""
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        (which,) = rng.choices(range(len(self.shards)), [one.weight for one in self.latents])
        shard, latents = self.shards[which], self.latents[which]
        draws = [
            draw_style(
                shard,
                self.by_style[which],
                rng,
                sources=self.sources,
                first=self.first,
                steps=self.noising.steps,
            )
            for _ in range(latents.batch)
        ]
        targets = latents.values[[d.target for d in draws]].float()
        sources = latents.values[[d.source for d in draws]].float()
        ratios = self.noising.ratio(torch.tensor([d.entry for d in draws]))
        noise = torch.randn(targets.shape, generator=generator)
        noise = carrying(noise, sources, targets, ratios)
        steps = torch.tensor([d.step for d in draws])
        noisy = self.noising.noisy(targets, noise, steps).to(self.device)
        wanted = self.noising.wanted(targets, noise, steps).to(self.device)
        taught = self._taught(noisy, steps.to(self.device), [d.told for d in draws])
        rolls = [rng.random() / DROPPED for _ in draws]
        said = ["" if r < 1 or 2 <= r < 3 else d.words for r, d in zip(rolls, draws, strict=True)]
        shown = torch.tensor([[0.0 if 1 <= r < 3 else 1.0] for r in rolls], device=self.device)
        styles = [list(STYLES).index(shard.facts[d.target].style) for d in draws]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            with torch.no_grad():
                hidden = self.pipe.encode_prompt(said, self.device, 1, False)[0]
            vectors = self.pipe.image_encoder(self.prompts(shard, draws, rng)).image_embeds
            verdicts = self.judge(vectors).float()
            answer = self.pipe.unet(
                noisy,
                steps.to(self.device),
                hidden,
                added_cond_kwargs={"image_embeds": [(vectors * shown)[:, None]]},
            ).sample
        # Without the style picture there is nothing to teach: then the target alone counts.
        share = (TAUGHT * shown)[:, :, None, None]
        aim = share * taught + (1 - share) * wanted
        error = (answer.float() - aim).square().mean(dim=(1, 2, 3))
        error = (error / (1 + 0.25 * ratios).to(self.device)).mean()
        truth = torch.tensor(styles, device=self.device)
        right = (verdicts.argmax(dim=1) == truth).float().mean()
        loss = error + JUDGED * functional.cross_entropy(verdicts, truth)
        return loss, {"loss": error.item(), "style": right.item()}

    @torch.no_grad()
    def _taught(self, noisy: Tensor, steps: Tensor, told: Sequence[str]) -> Tensor:
        """What the model answers by words alone, the adapter off."""
        width = self.pipe.image_encoder.config.projection_dim
        nothing = torch.zeros(len(noisy), 1, width, device=self.device)
        self.pipe.set_ip_adapter_scale(0.0)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            hidden = self.pipe.encode_prompt(list(told), self.device, 1, False)[0]
            answer: Tensor = self.pipe.unet(
                noisy, steps, hidden, added_cond_kwargs={"image_embeds": [nothing]}
            ).sample
        self.pipe.set_ip_adapter_scale(1.0)
        return answer.float()

    def sample(self, folder: Path, step: int) -> None:
        """Sheets are made by `adapter_sheets.AdapterSheets`, which wraps this."""
