"""Style: the content's composition with the look of a second picture, the style picture.

To the engine it is image-to-image over the content, steered by the style picture through an image
adapter; see `inference.families.image_prompt`.
"""

from collections.abc import Sequence

from inference.errors import RequestError
from inference.model_info import ModelInfo
from inference.request import Recipe

TASK = "style"


def check_style(recipe: Recipe, model: ModelInfo, others: Sequence[ModelInfo] = ()) -> None:
    """Raises RequestError where the task is style and the model has no image adapter.

    others: the models that could be asked instead, which the sentence names.
    """
    # Of one that is not downloaded yet nothing is known.
    if recipe.task != TASK or model.image_adapter is not None or not model.family:
        return
    able = [other.id for other in others if other.image_adapter is not None]
    instead = f"; try the model {' or '.join(able)}" if able else ""
    raise RequestError(
        f"The task “{TASK}” needs an image adapter, and the model “{model.id}” has none beside "
        f"it{instead}."
    )
