"""Pictures in and out of files, as all tasks do it."""

import io
from dataclasses import replace

from PIL import Image, UnidentifiedImageError

from inference.errors import PictureError
from inference.request import GenerationRequest
from inference.result import GeneratedImage


def opened(data: bytes) -> Image.Image:
    """The picture of a file that was normalised, in its own mode. Raises PictureError."""
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise PictureError(f"The source picture cannot be read: {error}.") from error
    return picture


def as_png(picture: Image.Image) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    # Of zlib's levels the last before time rises steeply; the usual 6 takes three times as long
    # for 2 % less.
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def finished(picture: Image.Image, seed: int) -> GeneratedImage:
    """A picture that is done, as results have it."""
    return GeneratedImage(
        data=as_png(picture), width=picture.width, height=picture.height, seed=seed
    )


def alike(picture: Image.Image, request: GenerationRequest) -> tuple[GeneratedImage, ...]:
    """All pictures of a request that is done where they do not differ: written once."""
    image = finished(picture, request.seed)
    return tuple(replace(image, seed=request.seed_of(index)) for index in range(request.count))
