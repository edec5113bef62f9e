"""The ControlNet of a model, as far as its configuration files tell; nothing here loads torch.

A folder `controlnet` beside `unet` is used, or the one that `palimpsest.json` names by the key
`controlnet`; its keys `control_picture` and `control_scale` say how. All three are optional.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PICTURES = ("scribble", "canny")
"""What a ControlNet may have been trained to look at; see `inference.tasks.control_picture`."""

MOST_SCALE = 2.0

_FOLDER = "controlnet"


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlInfo:
    """folder: absolute, in diffusers' layout. picture: one of PICTURES.

    scale: what it adds to the UNet is multiplied by it; above 0, at most MOST_SCALE.

    Raises ValueError from the constructor.
    """

    folder: str
    picture: str = PICTURES[0]
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.picture not in PICTURES:
            raise ValueError(f"control_picture is none of {', '.join(PICTURES)}")
        if not 0 < self.scale <= MOST_SCALE:
            raise ValueError(f"control_scale is not above 0 and at most {MOST_SCALE:g}")


def find_control(
    model: Path, own: Mapping[str, Any], named: str | None, *, steered: bool
) -> ControlInfo | None:
    """The ControlNet of a model folder, if it has one.

    own: its `palimpsest.json`. named: the absolute folder that this names, or None. steered:
    whether a ControlNet can steer such a model. Raises ValueError for settings without effect.
    """
    beside = model / _FOLDER
    folder = named
    if folder is None and steered and beside.is_dir():
        folder = str(beside.absolute())
    settings = {"picture": "control_picture", "scale": "control_scale"}
    given = {name: own[key] for name, key in settings.items() if key in own}
    if folder is None:
        if given:
            raise ValueError(f"{settings[next(iter(given))]} is given, but there is no ControlNet")
        return None
    if not steered:
        raise ValueError("a ControlNet works with Stable Diffusion and SDXL only")
    if "scale" in given:
        given["scale"] = float(given["scale"])
    return ControlInfo(folder=folder, **given)
