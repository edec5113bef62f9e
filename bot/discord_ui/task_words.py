"""A task's own options in a few words, for the line of what a picture was made with."""

from inference.options import (
    Blend,
    Denoise,
    Edit,
    Inpaint,
    Loopback,
    Outpaint,
    Style,
    TaskOptions,
    Upscale,
    Variations,
)

_SIDES = ("left", "top", "right", "bottom")


def task_words(options: TaskOptions | None) -> str:
    """Such as “upscaled 2×”; "" where there is nothing to say."""
    words = ""
    match options:
        case Loopback():
            words = f"{options.times} times over"
        case Variations():
            words = f"spread {options.spread * 100:g} %"
        case Inpaint():
            words = _inpainted(options)
        case Blend():
            words = f"{options.balance * 100:g} % of the other picture"
        case Style():
            words = f"{options.keep if options.keep != 'both' else 'style and composition'} "
            words += f"{options.scale:g}"
        case Outpaint():
            words = _outpainted(options)
        case Upscale():
            words = f"upscaled {options.factor}×"
            words += f", creativity {options.creativity:g}" if options.creativity else ""
        case Denoise():
            words = "noise estimated" if options.sigma is None else f"noise {options.sigma:g}"
        case Edit():
            words = f"image guidance {options.image_guidance:g}"
    return words


def _inpainted(options: Inpaint) -> str:
    """What is not as usual."""
    usual = Inpaint()
    words = ["all but the mask painted" if options.invert else "mask painted"]
    if options.area != usual.area:
        words.append(f"padding {options.padding}")
    if options.content != usual.content:
        words.append(f"over {'its surroundings' if options.content == 'fill' else 'noise'}")
    if options.blur != usual.blur:
        words.append(f"blur {options.blur}")
    return ", ".join(words)


def _outpainted(options: Outpaint) -> str:
    """Sides that grow by the same share share its number."""
    shares: dict[float, list[str]] = {}
    for side in _SIDES:
        if share := getattr(options, side):
            shares.setdefault(share, []).append(side)
    return ", ".join(
        f"{share * 100:g} % more {'all around' if len(sides) == 4 else ' and '.join(sides)}"
        for share, sides in shares.items()
    )
