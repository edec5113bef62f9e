"""The image adapter of a model, as far as its folder tells; nothing here loads torch.

A folder `ip_adapter` beside `unet` is used, or the one that `palimpsest.json` names by the key
`ip_adapter`.
"""

from pathlib import Path

_FOLDER = "ip_adapter"

TELLS = "palimpsest.tells"
"""Metadata of an adapter's weights: `style` where that is all it was trained to tell, so that every
layer may look at the picture without its composition coming along."""


def find_image_adapter(model: Path, named: str | None, *, steered: bool) -> str | None:
    """The absolute folder of a model's image adapter, or None.

    named: what its `palimpsest.json` names, absolute. steered: whether an image adapter can steer
    such a model. Raises ValueError where one is named for a model that none can steer.
    """
    if named is not None and not steered:
        raise ValueError("an image adapter works with Stable Diffusion and SDXL only")
    beside = model / _FOLDER
    if named is None and steered and beside.is_dir():
        return str(beside.absolute())
    return named
