"""How a request is said in the words of one diffusers pipeline, and what cannot be said in them."""

import math
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch
from PIL import Image

from inference.errors import RequestError
from inference.families.pipeline_kinds import call_of
from inference.families.prompt import parse_prompt
from inference.families.quiet import quiet
from inference.families.schedulers import SCHEDULERS, SchedulerKind
from inference.options import Edit
from inference.request import STRENGTH_BANDS, GenerationRequest
from inference.tasks.edit import no_editor, no_strength

DEFAULT_STRENGTH = STRENGTH_BANDS["balanced"]

# Their guidance is what is added to the conditional prediction, so that 0 and not 1 is none.
_NONE_IS_ZERO = ("ZImage", "Krea2")

# As an empty negative prompt diffusers' examples for pipelines with `true_cfg_scale` give a space.
_NOTHING = " "


class PipelineCall:
    """One pipeline and the arguments that its call takes.

    name: what it is called in sentences. guidance, steps: what a request has that asks for
    nothing particular.
    """

    def __init__(self, pipe: Any, *, name: str, guidance: float, steps: int) -> None:
        self.pipe = pipe
        self.name = name
        self.takes = call_of(type(pipe))
        self._default_guidance = guidance
        self._default_steps = steps
        self._scheduler = getattr(pipe, "scheduler", None)

    @property
    def edits(self) -> bool:
        """Whether it has no strength: it follows an instruction, and sees the whole source."""
        return "image" in self.takes and "strength" not in self.takes

    def prepare(self, request: GenerationRequest) -> None:
        """Raises RequestError that names what the pipeline cannot do."""
        for problem in self._problems(request):
            raise RequestError(problem)

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """What was asked for without meaning anything to the pipeline."""
        notes = []
        if self.edits and request.has_strength and request.strength < 1:
            notes.append(f"{self.name} has no strength; {request.strength:g} did nothing.")
        if self._guidance_name is None:
            notes.append(f"{self.name} has no guidance; {request.guidance:g} did nothing.")
        if "num_inference_steps" not in self.takes:
            notes.append(f"{self.name} sets its steps itself; {request.steps} did nothing.")
        options, takes = request.options, "image_guidance_scale" in self.takes
        if isinstance(options, Edit) and not takes and options != Edit():
            value = f"{options.image_guidance:g}"
            notes.append(f"{self.name} has no image guidance; {value} did nothing.")
        return tuple(notes)

    def arguments(
        self,
        request: GenerationRequest,
        index: int,
        source: Image.Image | None,
        size: tuple[int, int],
    ) -> dict[str, Any]:
        """What the pipeline is called with for picture `index`; its random numbers are drawn on
        the CPU, so that every device draws the same.
        """
        width, height = size
        given = {
            "prompt": _text_of(request.prompt),
            "num_inference_steps": request.steps,
            "strength": _strength(request),
            "width": width,
            "height": height,
            "max_area": width * height,
            "generator": torch.Generator().manual_seed(request.seed_of(index)),
            "output_type": "pil",
            "clean_caption": False,  # the prompt as it was written
            **self._guidance(request),
        }
        if isinstance(request.options, Edit):
            given["image_guidance_scale"] = request.options.image_guidance
        if source is not None:
            given["image"] = source
        return {name: value for name, value in given.items() if name in self.takes}

    @property
    def own_scheduler(self) -> str:
        """The class of the scheduler that the pipeline came with, "" where it has none."""
        return "" if self._scheduler is None else type(self._scheduler).__name__

    def renew_scheduler(self, name: str | None) -> None:
        """Gives the pipeline a scheduler for the next picture: they keep state from step to step.

        name: one that `prepare` let pass, or None for one like the pipeline's own.
        """
        if self._scheduler is None or self._has_pipes:
            return
        kind, changes = type(self._scheduler), {}
        if name is not None:
            kind = getattr(import_module("diffusers"), SCHEDULERS[name].class_name)
            changes = dict(SCHEDULERS[name].changes)
        self.pipe.scheduler = kind.from_config(self._scheduler.config, **changes)

    def _problems(self, request: GenerationRequest) -> Iterator[str]:
        """Sentences, the first of which is to be told."""
        name = self.name
        if request.task == "edit" and not self.edits:
            yield no_editor(name)
        if self.edits and request.graded and request.strength not in (DEFAULT_STRENGTH, 1):
            yield no_strength(name, request.strength)
        if request.scheduler is not None and not self._suits(SCHEDULERS[request.scheduler]):
            names = [known for known, kind in SCHEDULERS.items() if self._suits(kind)]
            can = f"can run with {', '.join(names)}" if names else "only runs with its own"
            yield f"{name} cannot run with the scheduler “{request.scheduler}”; it {can}."
        if request.negative_prompt and not self._takes_negative:
            yield f"{name} takes no negative prompt; leave it empty."
        if self._guidance_name is None and request.guidance not in (self._default_guidance, 1):
            yield f"{name} has no guidance; leave it at {self._default_guidance:g}."
        if "num_inference_steps" not in self.takes and request.steps != self._default_steps:
            yield f"{name} sets its steps itself; leave them at {self._default_steps}."
        for which, text in (
            ("prompt", request.prompt),
            ("negative prompt", request.negative_prompt),
        ):
            if any(phrase.weight != 1 for phrase in parse_prompt(text)):
                yield f"{name} takes no weights such as (word:1.2) in the {which}."
            limit = self._read_at_most(_text_of(text))
            if limit is not None:
                yield f"The {which} is longer than the {limit} tokens that {name} reads."

    @property
    def _has_pipes(self) -> bool:
        """Whether it is a row of several pipelines, with a scheduler in each."""
        from diffusers import DiffusionPipeline

        return any(isinstance(part, DiffusionPipeline) for part in vars(self.pipe).values())

    def _suits(self, kind: SchedulerKind) -> bool:
        if self._scheduler is None or self._has_pipes:
            return False
        own = type(self._scheduler)
        # diffusers' own table; a class that is not in it needs another kind of model.
        return kind.class_name in (own.__name__, *own._compatibles)

    @property
    def _distilled(self) -> bool:
        """Whether guidance is an input of the model, so that there is nothing to lead away from."""
        config = getattr(getattr(self.pipe, "transformer", None), "config", {})
        return bool(config.get("guidance_embeds", False))

    @property
    def _guidance_name(self) -> str | None:
        """Which argument it is that is meant by guidance."""
        names = ("true_cfg_scale", "guidance_scale", "distilled_guidance_scale")
        if self._distilled:
            names = (names[2], names[1], names[0])
        return next((name for name in names if name in self.takes), None)

    @property
    def _takes_negative(self) -> bool:
        return "negative_prompt" in self.takes and not (
            self._distilled and "true_cfg_scale" in self.takes
        )

    def _guidance(self, request: GenerationRequest) -> dict[str, Any]:
        name, guidance = self._guidance_name, request.guidance
        if name is None:
            return {}
        negative = request.negative_prompt or None
        if name == "true_cfg_scale":
            # Without a negative prompt such a pipeline would not guide at all.
            negative = (negative or _NOTHING) if guidance > 1 else None
        if guidance <= 1 and type(self.pipe).__name__.startswith(_NONE_IS_ZERO):
            guidance = 0.0
        return {name: guidance} | ({} if negative is None else {"negative_prompt": negative})

    def _read_at_most(self, text: str) -> int | None:
        """The limit in tokens that a text is beyond, for each of the tokenizers; else None."""
        limits = []
        for name, tokenizer in self.pipe.components.items():
            if "tokenizer" not in name or tokenizer is None:
                continue
            limit = int(tokenizer.model_max_length)
            if (
                not type(tokenizer).__name__.startswith("CLIP")
                and "max_sequence_length" in self.takes
            ):
                limit = min(limit, int(self.takes["max_sequence_length"].default))
            with quiet():
                if len(tokenizer(text).input_ids) <= limit:
                    return None
            limits.append(limit)
        return max(limits, default=None)


def _text_of(prompt: str) -> str:
    return "".join(phrase.text for phrase in parse_prompt(prompt))


def _strength(request: GenerationRequest) -> float:
    """The strength, but enough for the one step that every strength above 0 runs."""
    strength = request.strength
    if int(request.steps * strength) < 1:
        strength = 1 / request.steps
        while int(request.steps * strength) < 1:
            strength = math.nextafter(strength, 1)
    return strength
