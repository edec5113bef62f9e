"""Which cross-attention of a UNet carries a picture's style, and which its composition."""

import re
from collections.abc import Mapping, Sequence

_UP = re.compile(r"up_blocks\.(\d+)\.attentions\.(\d+)\.")
_DOWN = re.compile(r"down_blocks\.(\d+)\.attentions\.(\d+)\.")


def keeps_of(names: Sequence[str], *, xl: bool) -> Mapping[str, frozenset[str]]:
    """With which values of `Style.keep` each layer looks at the style picture.

    names: of every cross-attention, such as `up_blocks.0.attentions.1.transformer_blocks.0.attn2`.
    xl: whether it is SDXL's kind of UNet.

    After InstantStyle (Wang et al. 2024, arXiv:2404.02733), which found where in SDXL style and
    layout are told: `up_blocks.0.attentions.1` and `down_blocks.2.attentions.1`. Its authors take
    whole blocks for Stable Diffusion 1.5: `up_blocks.1` for style; `down_blocks.2` and `mid_block`
    for layout. For UNets of other depths the analogous ones are taken:

    - style: the first of the up blocks that has cross-attention; of SDXL its middle transformer,
      of several in the middle the later one;
    - composition: the last of the down blocks that has cross-attention; of SDXL its last
      transformer, of others all of it and the middle block.

    With "both" every layer looks, also those that belong to neither.
    """
    style, layout = _places(names, _UP), _places(names, _DOWN)
    first, last = min(style, default=(-1, -1))[0], max(layout, default=(-1, -1))
    inside = sorted({place for place in style if place[0] == first})
    middle = inside[len(inside) // 2] if inside else None

    def keeps(name: str) -> frozenset[str]:
        up, down = _place(name, _UP), _place(name, _DOWN)
        found = {"both"}
        if up is not None and (up == middle if xl else up[0] == first):
            found.add("style")
        if down is not None and (down == last if xl else down[0] == last[0]):
            found.add("composition")
        if name.startswith("mid_block.") and not xl:
            found.add("composition")
        return frozenset(found)

    return {name: keeps(name) for name in names}


def _places(names: Sequence[str], pattern: re.Pattern[str]) -> list[tuple[int, int]]:
    return [place for name in names if (place := _place(name, pattern)) is not None]


def _place(name: str, pattern: re.Pattern[str]) -> tuple[int, int] | None:
    """The numbers of its block and of its transformer in there."""
    found = pattern.match(name)
    return None if found is None else (int(found[1]), int(found[2]))
