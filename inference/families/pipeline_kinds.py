"""Which of diffusers' pipeline classes run a model folder, from a picture and from text alone."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import ModelError
from inference.families.quiet import quiet

# Arguments of a pipeline's call that tell that it does something else, and what.
_OTHER_CALLS = {
    "mask_image": "it fills in masks",
    "control_image": "it wants a control picture",
    "layers": "it takes pictures apart into layers",
    "num_frames": "it makes videos",
    "video_length": "it makes videos",
    "frame_rate": "it makes videos",
    "frames": "it makes videos",
    "video": "it makes videos",
    "audio_length_in_s": "it makes sound",
    "audio_end_in_s": "it makes sound",
    "editing_prompt": "it edits by several prompts at once",
}
_OTHER_PARTS = {"controlnet": "it wants a control picture", "adapter": "it wants a control picture"}
_OTHER_NAMES = {
    "Upscale": "it enlarges pictures",
    "SuperResolution": "it enlarges pictures",
    "Prior": "it is only one half of a model",
    "Audio": "it makes sound",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineKinds:
    """The classes that run a folder; at least one is there.

    from_image: takes a picture and a prompt; None for a model that only paints from text.
    from_text: takes a prompt alone; None for a model that only paints over pictures.
    """

    from_image: Any | None
    from_text: Any | None


def find_kinds(name: str, path: Path) -> PipelineKinds:
    """The classes for a folder of this class.

    path: of the file that names it. Raises ModelError that names both where diffusers has no such
    class, or one that does something else.
    """
    import diffusers

    with quiet():  # of hundreds of classes some lack a library that nobody needs
        import diffusers.pipelines.auto_pipeline
    where = f"{path} is of a kind that is not supported, {name}"
    own = getattr(diffusers, name, None)
    if not _is_pipeline(own):
        raise ModelError(f"{where}: diffusers {diffusers.__version__} has no such pipeline here.")
    reason = _other_purpose(own)
    if reason is not None:
        raise ModelError(f"{where}: {reason}.")
    named = (_sibling(name, to_image=True), _sibling(name, to_image=False))
    candidates = [own, *(getattr(diffusers, other, None) for other in named)]
    usable = [kind for kind in candidates if _is_pipeline(kind) and _other_purpose(kind) is None]
    return PipelineKinds(
        from_image=next((kind for kind in usable if "image" in call_of(kind)), None),
        from_text=next((kind for kind in usable if _needs_no_image(kind)), None),
    )


def call_of(kind: Any) -> Mapping[str, inspect.Parameter]:
    """The arguments that a pipeline class takes."""
    return inspect.signature(kind.__call__).parameters


def _is_pipeline(kind: Any) -> bool:
    from diffusers import DiffusionPipeline

    return inspect.isclass(kind) and issubclass(kind, DiffusionPipeline)


def _sibling(name: str, *, to_image: bool) -> str:
    """What diffusers' tables pair this class with, else what its name would be paired with."""
    from diffusers.pipelines import auto_pipeline

    text = auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    image = auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING
    source, target = (text, image) if to_image else (image, text)
    for key, kind in source.items():
        if kind.__name__ == name and key in target:
            return str(target[key].__name__)
    bare = name.removesuffix("Pipeline").removesuffix("Img2Img")
    return f"{bare}{'Img2Img' if to_image else ''}Pipeline"


def _needs_no_image(kind: Any) -> bool:
    """A class that takes one may still do without: diffusers' table of those that do tells."""
    from diffusers.pipelines import auto_pipeline

    text = auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    return "image" not in call_of(kind) or kind in text.values()


def _other_purpose(kind: Any) -> str | None:
    """Why it is no pipeline that makes a picture from a prompt, or a picture and a prompt."""
    call = call_of(kind)
    if "prompt" not in call:
        return "it takes no prompt"
    for name, reason in _OTHER_NAMES.items():
        if name in kind.__name__:
            return reason
    for given, table in ((call, _OTHER_CALLS), (_parts_of(kind), _OTHER_PARTS)):
        for name, reason in table.items():
            if name in given:
                return reason
    wanted = [
        name
        for name, one in call.items()
        if one.default is one.empty
        and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        and name not in ("self", "prompt", "image")
    ]
    return f"it also wants {wanted[0]}" if wanted else None


def _parts_of(kind: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind.__init__).parameters
