"""The tasks that are programs."""

from collections.abc import Callable, Mapping

from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.tasks.blend import blend
from inference.tasks.denoise import denoise
from inference.tasks.inpaint import inpaint
from inference.tasks.loopback import loopback
from inference.tasks.outpaint import outpaint
from inference.tasks.programs import Program
from inference.tasks.upscale import upscale

PROGRAMS: Mapping[str, Callable[[GenerationRequest, ModelInfo], Program]] = {
    "blend": blend,
    "denoise": denoise,
    "inpaint": inpaint,
    "loopback": loopback,
    "outpaint": outpaint,
    "upscale": upscale,
}
"""By the task's name; what is not here the engine runs as one request."""
