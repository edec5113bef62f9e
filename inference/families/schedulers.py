"""The schedulers that a request can name; importing this loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from inference.errors import ModelError, RequestError


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerKind:
    """A diffusers class, and what it is set to on top of the model's own configuration.

    flow: whether it is for models of flow matching; the others are for all other models.
    """

    class_name: str
    flow: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


SCHEDULERS: Mapping[str, SchedulerKind] = {
    # By default it clips to what pixels can be, which latents are not.
    "ddim": SchedulerKind(class_name="DDIMScheduler", changes={"clip_sample": False}),
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
    "flow-euler": SchedulerKind(class_name="FlowMatchEulerDiscreteScheduler", flow=True),
}


def scheduler_names(*, flow: bool) -> tuple[str, ...]:
    """Those for models of flow matching, or those for all other models."""
    return tuple(name for name, kind in SCHEDULERS.items() if kind.flow == flow)


def check_scheduler(name: str | None) -> None:
    """Raises RequestError unless the name is one of SCHEDULERS, or None for the model's own."""
    if name is not None and name not in SCHEDULERS:
        raise RequestError(f"Scheduler “{name}” is not one of: {', '.join(SCHEDULERS)}.")


class SchedulerFactory:
    """Makes schedulers for one model, each for one picture: they keep state from step to step.

    config: of the model's own scheduler.
    outdated_defaults: whether the pipeline that the model comes from corrects `steps_offset` and
        `clip_sample` of old configurations, as diffusers' Stable Diffusion pipelines do.
    flow: whether it is a model of flow matching.

    Raises ModelError for a scheduler class that diffusers does not have or that does not suit.
    """

    def __init__(
        self, config: dict[str, Any], *, outdated_defaults: bool, flow: bool = False
    ) -> None:
        name = str(config.get("_class_name"))
        kind = getattr(import_module("diffusers"), name, None)
        if not name.endswith("Scheduler") or kind is None:
            raise ModelError(f"scheduler/scheduler_config.json names an unknown class, {name}.")
        self.names = scheduler_names(flow=flow)
        """What a request can name for this model."""
        classes = [SCHEDULERS[legal].class_name for legal in self.names]
        if name not in classes and (flow or name.startswith("FlowMatch")):
            raise ModelError(
                f"scheduler/scheduler_config.json names {name}, which does not suit this kind of "
                f"model; it runs with {', '.join(dict.fromkeys(classes))}."
            )
        try:
            self._own = kind.from_config(config)
        except (ValueError, TypeError, ImportError) as error:
            raise ModelError(
                f"scheduler/scheduler_config.json does not suit {name}: {error}"
            ) from error
        if outdated_defaults:
            self._correct()

    @property
    def own_class(self) -> str:
        """The class of the model's own scheduler."""
        return type(self._own).__name__

    def make(self, name: str | None) -> Any:
        """A fresh scheduler. Raises RequestError for a name that is unknown or does not suit."""
        check_scheduler(name)
        if name is None:
            return type(self._own).from_config(self._own.config)
        if name not in self.names:
            raise RequestError(
                f"Scheduler “{name}” does not suit this model; it runs with: "
                f"{', '.join(self.names)}."
            )
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
