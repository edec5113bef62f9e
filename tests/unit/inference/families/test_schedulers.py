import subprocess
import sys

import pytest

from inference.errors import ModelError, RequestError
from inference.families.schedulers import (
    SCHEDULERS,
    SchedulerFactory,
    check_scheduler,
    scheduler_names,
)

CONFIG = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "skip_prk_steps": True,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}


def test_the_names_are_known_without_torch() -> None:
    code = "import sys, inference.families.schedulers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(RequestError, match=r"“heun” is not one of: ddim, euler,"):
        check_scheduler("heun")
    check_scheduler(None)


@pytest.mark.parametrize("name", [None, *scheduler_names(flow=False)])
def test_every_scheduler_keeps_what_the_model_was_trained_with(name: str | None) -> None:
    made = SchedulerFactory(CONFIG, outdated_defaults=True).make(name)
    assert type(made).__name__ == (SCHEDULERS[name].class_name if name else "PNDMScheduler")
    for key in ("beta_start", "beta_schedule", "prediction_type", "timestep_spacing"):
        assert made.config[key] == CONFIG[key]


def test_no_state_is_shared() -> None:
    factory = SchedulerFactory(CONFIG, outdated_defaults=True)
    first, second = factory.make("unipc"), factory.make("unipc")
    first.timestep_list[0] = 7
    assert second.timestep_list[0] is None


def test_old_configurations_are_corrected_as_the_pipelines_do() -> None:
    corrected = SchedulerFactory(
        CONFIG | {"_class_name": "DDIMScheduler", "clip_sample": True, "steps_offset": 0},
        outdated_defaults=True,
    ).make("ddim")
    assert (corrected.config.steps_offset, corrected.config.clip_sample) == (1, False)
    kept = SchedulerFactory(CONFIG | {"steps_offset": 0}, outdated_defaults=False).make(None)
    assert kept.config.steps_offset == 0


def test_only_the_two_of_dpm_differ_in_their_spacing() -> None:
    factory = SchedulerFactory(CONFIG | {"use_karras_sigmas": True}, outdated_defaults=True)
    assert factory.make("dpm++2m-karras").config.use_karras_sigmas
    for name in ("dpm++2m", "euler", "unipc"):
        assert not factory.make(name).config.use_karras_sigmas


FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0, "max_shift": 0.9}


def test_a_flow_s_scheduler_keeps_what_the_model_was_trained_with() -> None:
    factory = SchedulerFactory(FLOW, outdated_defaults=False, flow=True)
    for name in (None, "flow-euler"):
        made = factory.make(name)
        assert type(made).__name__ == "FlowMatchEulerDiscreteScheduler"
        assert (made.config.shift, made.config.max_shift) == (3.0, 0.9)


def test_a_scheduler_of_the_other_kind_is_refused_with_those_that_suit() -> None:
    with pytest.raises(RequestError) as caught:
        SchedulerFactory(FLOW, outdated_defaults=False, flow=True).make("ddim")
    assert (
        str(caught.value) == "Scheduler “ddim” does not suit this model; it runs with: flow-euler."
    )
    with pytest.raises(RequestError) as caught:
        SchedulerFactory(CONFIG, outdated_defaults=True).make("flow-euler")
    assert str(caught.value) == (
        "Scheduler “flow-euler” does not suit this model; "
        "it runs with: ddim, euler, euler-a, dpm++2m, dpm++2m-karras, unipc, lcm."
    )


@pytest.mark.parametrize(
    ("name", "flow"),
    [
        ("FlowMatchEulerDiscreteScheduler", False),
        ("FlowMatchHeunDiscreteScheduler", True),
        ("DDIMScheduler", True),
    ],
)
def test_a_model_whose_own_scheduler_does_not_suit_is_refused(name: str, flow: bool) -> None:
    with pytest.raises(ModelError, match=f"names {name}, which does not suit"):
        SchedulerFactory({"_class_name": name}, outdated_defaults=False, flow=flow)
