"""The schedulers that a request can name; importing this loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from inference.errors import ModelError, RequestError


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerKind:
    """A diffusers class, and what it is set to on top of the model's own configuration."""

    class_name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


SCHEDULERS: Mapping[str, SchedulerKind] = {
    "ddim": SchedulerKind(class_name="DDIMScheduler"),
    "euler": SchedulerKind(
        class_name="EulerDiscreteScheduler", changes={"use_karras_sigmas": False}
    ),
    "euler-a": SchedulerKind(class_name="EulerAncestralDiscreteScheduler"),
    "dpm++2m": SchedulerKind(
        class_name="DPMSolverMultistepScheduler",
        changes={"algorithm_type": "dpmsolver++", "use_karras_sigmas": False},
    ),
    "dpm++2m-karras": SchedulerKind(
        class_name="DPMSolverMultistepScheduler",
        changes={"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    "unipc": SchedulerKind(
        class_name="UniPCMultistepScheduler", changes={"use_karras_sigmas": False}
    ),
    "lcm": SchedulerKind(class_name="LCMScheduler"),
}


def check_scheduler(name: str | None) -> None:
    """Raises RequestError unless the name is one of SCHEDULERS, or None for the model's own."""
    if name is not None and name not in SCHEDULERS:
        raise RequestError(f"Scheduler “{name}” is not one of: {', '.join(SCHEDULERS)}.")


class SchedulerFactory:
    """Makes schedulers for one model, each for one picture: they keep state from step to step.

    config: of the model's own scheduler.
    outdated_defaults: whether the pipeline that the model comes from corrects `steps_offset` and
        `clip_sample` of old configurations, as diffusers' Stable Diffusion pipelines do.

    Raises ModelError for a scheduler class that diffusers does not have.
    """

    def __init__(self, config: dict[str, Any], *, outdated_defaults: bool) -> None:
        name = str(config.get("_class_name"))
        kind = getattr(import_module("diffusers"), name, None)
        if not name.endswith("Scheduler") or kind is None:
            raise ModelError(f"scheduler/scheduler_config.json names an unknown class, {name}.")
        self._own = kind.from_config(config)
        if outdated_defaults:
            self._correct()

    @property
    def own_class(self) -> str:
        """The class of the model's own scheduler."""
        return type(self._own).__name__

    def make(self, name: str | None) -> Any:
        """A fresh scheduler. Raises RequestError for an unknown name."""
        check_scheduler(name)
        if name is None:
            return type(self._own).from_config(self._own.config)
        kind = SCHEDULERS[name]
        scheduler = getattr(import_module("diffusers"), kind.class_name)
        return scheduler.from_config(self._own.config, **kind.changes)

    def _correct(self) -> None:
        changes: dict[str, Any] = {}
        if self._own.config.get("steps_offset", 1) != 1:
            changes["steps_offset"] = 1
        if self._own.config.get("clip_sample", False) is True:
            changes["clip_sample"] = False
        self._own.register_to_config(**changes)
