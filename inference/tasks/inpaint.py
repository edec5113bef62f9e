"""Painting within a mask: everything else stays as it is, to the pixel."""

from dataclasses import dataclass

from PIL import Image, ImageChops, ImageOps

from inference.errors import RequestError
from inference.limits import MIN_SIDE
from inference.model_info import ModelInfo
from inference.options import Inpaint
from inference.request import TASK_STRENGTHS, GenerationRequest
from inference.tasks.edit import no_strength
from inference.tasks.files import alike, finished, opened
from inference.tasks.filling import filled, noised
from inference.tasks.mask import FAINT, given_mask, softened, transparent_mask
from inference.tasks.patch import patch_request, patch_size, scaled_mask, told_request
from inference.tasks.programs import Product, Program, Round

NOISE = 80.0
"""Standard deviation of the content “noise”, of 255."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Patch:
    """The part of a picture that a model sees, and where in it it paints.

    source: RGB. mask: hard, of where there is something to be painted; soft: how much of what was
    painted is seen at each pixel. Both in L, of the source's size.
    content: as `Inpaint.content`. seed: of its noise.
    """

    source: Image.Image
    mask: Image.Image
    soft: Image.Image
    content: str
    seed: int

    def request(self, request: GenerationRequest, info: ModelInfo) -> GenerationRequest:
        """What the engine is asked for, at the model's own budget."""
        size = patch_size(self.source.size, info)
        under = self.source.resize(size, Image.Resampling.LANCZOS)
        hole = scaled_mask(self.mask, size)
        if self.content != "original":
            under = filled(under, hole)
        if self.content == "noise":
            under = noised(under, hole, amount=NOISE, seed=self.seed)
        if info.follows_instructions:
            return told_request(request, under)
        seen = self.soft.point([255 if level >= FAINT else 0 for level in range(256)])
        painted = scaled_mask(ImageChops.lighter(self.mask, seen), size)
        return patch_request(request, info, under, painted)

    def finish(self, painted: Image.Image) -> Image.Image:
        """The source with what was painted where the mask shows it."""
        if painted.size != self.source.size:
            painted = painted.resize(self.source.size, Image.Resampling.LANCZOS)
        return Image.composite(painted, self.source, self.soft)


def inpaint(request: GenerationRequest, info: ModelInfo) -> Program:
    """The masked part of the source painted anew, at the source's size; at strength 0 the source.

    A model that follows instructions is given the whole patch, and what it changes beside the mask
    is not taken.

    Raises RequestError without a mask, or with one that leaves nothing to be painted, and for a
    strength that a model cannot have.
    """
    options = request.options
    assert isinstance(options, Inpaint) and request.image is not None
    usual = (0, TASK_STRENGTHS["inpaint"], 1)
    if info.follows_instructions and request.strength not in usual:
        raise RequestError(no_strength(f"The model “{info.id}”", request.strength))
    given = opened(request.image)
    source = given.convert("RGB")
    mask, erased = _mask(request, given)
    size = request.size(source.size, info.pixel_budget)
    if size != source.size:
        source = source.resize(size, Image.Resampling.LANCZOS)
        mask = scaled_mask(mask, size)
    if request.strength == 0:
        return Product(images=alike(source, request))
    soft = softened(mask, options.blur)
    box = (0, 0, *size)
    if options.area == "masked":
        box = _surroundings(soft, options.padding)
    patch = Patch(
        source=source.crop(box),
        mask=mask.crop(box),
        soft=soft.crop(box),
        # Where the source is transparent there is no original.
        content="fill" if erased and options.content == "original" else options.content,
        seed=request.seed,
    )
    (result,) = yield Round(requests=[patch.request(request, info)])
    images = []
    for image in result.images:
        picture = source.copy()
        picture.paste(patch.finish(opened(image.data)), box[:2])
        images.append(finished(picture, image.seed))
    return Product(images=tuple(images))


def _mask(request: GenerationRequest, given: Image.Image) -> tuple[Image.Image, bool]:
    """The mask in L, 0 or 255, and whether the source is transparent where it is painted."""
    assert isinstance(request.options, Inpaint)
    inverted = request.options.invert
    if request.second is not None:
        mask, erased = given_mask(opened(request.second), given.size), False
    else:
        transparent = transparent_mask(given)
        if transparent is None:
            raise RequestError(
                "Inpainting needs a mask: send one as the second picture, white where to paint, "
                "or a source with transparent parts, or paint over a result with 🖌️."
            )
        mask, erased = transparent, not inverted
    if inverted:
        mask = ImageOps.invert(mask)
    if mask.getbbox() is None:
        nothing = "white, so nothing is left to paint" if inverted else "black"
        raise RequestError(
            f"The mask is all {nothing}; make at least one pixel "
            f"{'black' if inverted else 'white'}."
        )
    return mask, erased


def _surroundings(soft: Image.Image, padding: int) -> Box:
    """What is seen of the picture: the mask, `padding` around it, and made as square as can be."""
    found = soft.getbbox()
    assert found is not None  # an empty mask was refused
    left, top, right, bottom = found
    sides = (right - left + 2 * padding, bottom - top + 2 * padding)
    wanted = max(*sides, MIN_SIDE)
    left, right = _grown(left, right, wanted, soft.width)
    top, bottom = _grown(top, bottom, wanted, soft.height)
    return left, top, right, bottom


def _grown(start: int, end: int, wanted: int, limit: int) -> tuple[int, int]:
    """An interval around start…end that is `wanted` long, or `limit`, within 0…limit."""
    length = max(end - start, min(wanted, limit))
    start = max(0, min((start + end - length) // 2, limit - length))
    return start, start + length
