"""What comes of a task that paints nothing."""

from PIL import Image

from inference.errors import RequestError
from inference.request import GenerationRequest
from inference.tasks.files import alike
from inference.tasks.programs import Product


def unpainted(
    request: GenerationRequest, picture: Image.Image, *, why: str, notes: tuple[str, ...] = ()
) -> Product:
    """The picture as often as it was asked for. why: how a note says that nothing is painted."""
    said = list(notes)
    if request.prompt or request.negative_prompt:
        said.append(f"The prompt did nothing: {why}.")
    if request.count > 1:
        said.append(f"All {request.count} pictures are alike: {why}.")
    return Product(images=alike(picture, request), notes=tuple(said))


def refuse_size(request: GenerationRequest, rule: str) -> None:
    """Raises RequestError for a width and height. rule: which size the result has."""
    if request.width is not None:
        raise RequestError(f"{rule}; leave out width and height.")
