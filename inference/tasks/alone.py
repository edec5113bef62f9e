"""What models that run one job at a time cannot do: their pipelines are asked as they are."""

from inference.errors import RequestError
from inference.model_info import PIX2PIX, ModelInfo
from inference.request import Recipe

_CHOOSE = (
    "choose one of the kinds Stable Diffusion, SDXL, Stable Diffusion 3 or Flux, for example "
    "“pocket”."
)


def check_alone(recipe: Recipe, info: ModelInfo, *, masked: bool) -> None:
    """Raises RequestError for what such a model cannot do. masked: whether a part is to be kept."""
    if masked:
        raise RequestError(
            f"The model “{info.id}” cannot keep a part of a picture while it paints; {_CHOOSE}"
        )
    if recipe.strengths and info.architecture == PIX2PIX:
        raise RequestError(
            f"The model “{info.id}” has no strength, so there is no ladder of it; "
            "ask for one picture."
        )
    if recipe.task == "variations":
        raise RequestError(
            f"The model “{info.id}” draws its noise itself, so there are no variations; {_CHOOSE}"
        )


def keeps_a_part(recipe: Recipe, info: ModelInfo) -> bool:
    """Whether the task paints beside what it keeps; one that follows instructions is given a patch
    whole, and what it made of the rest is not taken.
    """
    if recipe.task == "inpaint":
        return recipe.strength > 0 and not info.follows_instructions
    return recipe.task == "outpaint"
