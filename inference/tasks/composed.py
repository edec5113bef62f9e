"""Pictures from words alone by a model with a composer: a small picture is made, and painted over.

So words are painted by the paths that a small model knows best, those of image to image; see
`inference.families.composer`.
"""

from collections.abc import Callable

from PIL import Image

from inference.model_info import ModelInfo
from inference.request import STRENGTH_BANDS, GenerationRequest
from inference.tasks.files import as_png
from inference.tasks.programs import Product, Program, Round

Compose = Callable[[str, str, tuple[int, int], int], Image.Image]
"""Makes of a prompt, a negative prompt, a (width, height) and a seed a picture. From any thread."""

STRENGTH = STRENGTH_BANDS["balanced"]
"""Above it the small picture's subject is lost, below it the style stays behind."""


def composed(request: GenerationRequest, info: ModelInfo, *, compose: Compose) -> Program:
    """Variations have one seed and so one composition, and differ in how it is painted."""
    width, height = request.size(None, info.pixel_budget)
    # The small picture is nobody's source: its colours are not to be kept.
    plain = request.change(width=width, height=height, match_colours=False)
    small: dict[int, bytes] = {}
    turns = []
    for index in range(plain.count):
        turn = plain.single(index)
        if turn.seed not in small:
            if small:
                yield Round(requests=())  # others' programs go on, and a cancelled one ends
            size = width, height
            picture = compose(turn.prompt, turn.negative_prompt, size, turn.seed)
            small[turn.seed] = as_png(picture)
        turns.append(turn.change(image=small[turn.seed], strength=STRENGTH))
    results = yield Round(requests=turns, whole=True)
    return Product(images=tuple(result.images[0] for result in results))
