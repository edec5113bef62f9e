"""A picture changed as an instruction says, which takes a model that was trained for that."""

from collections.abc import Sequence


def no_strength(model: str, strength: float) -> str:
    """The sentence for a strength that a model which follows instructions cannot have."""
    return (
        f"{model} edits as the prompt says and has no strength such as {strength:g}; "
        "leave it out or at 1, or give 0 to get the source back."
    )


def no_editor(model: str, able: Sequence[str] = ()) -> str:
    """The sentence for a model that follows no instructions. able: the names of those that do."""
    if able:
        return f"The model “{model}” does not follow instructions; choose {' or '.join(able)}."
    return (
        f"The model “{model}” does not follow instructions; that takes one such as "
        "InstructPix2Pix, FLUX.1 Kontext or Qwen-Image-Edit."
    )
