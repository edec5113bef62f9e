"""Two pictures laid into each other."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from inference.model_info import ModelInfo
from inference.options import Blend
from inference.request import GenerationRequest
from inference.tasks.blend import blend, mixed
from inference.tasks.files import as_png, opened
from tests.by_hand import by_hand
from tests.photographs import photograph

INFO = ModelInfo(id="", title="", location="", pixel_budget=256 * 256, multiple=8)
FIRST, SECOND = photograph("coffee", (100, 20, 401, 221)), photograph("chelsea")


def ask(balance: float, **changes: object) -> GenerationRequest:
    request = GenerationRequest(
        prompt="", task="blend", image=as_png(FIRST), second=as_png(SECOND), strength=0.5,
        options=Blend(balance=balance),
    )  # fmt: skip
    return request.change(**changes)


def as_it_is(source: Image.Image, seed: int) -> Image.Image:
    return source


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=float)


def detail(picture: Image.Image) -> float:
    return float(np.abs(np.diff(pixels(picture), axis=1)).mean())


@pytest.mark.parametrize("balance", [0, 1])
def test_at_the_ends_it_is_one_of_the_two_exactly(balance: float) -> None:
    request = ask(balance)
    size = request.size(FIRST.size, INFO.pixel_budget)
    assert size[0] % 8 or size[1] % 8
    product, ((asked,),) = by_hand(blend(request, INFO), as_it_is)
    lanczos = Image.Resampling.LANCZOS
    wanted = ImageOps.fit(SECOND, size, lanczos) if balance else FIRST.resize(size, lanczos)
    made = opened(product.images[0].data)
    assert made.size == size
    assert made.tobytes() == wanted.tobytes()
    assert (asked.task, asked.strength, asked.second, asked.options) == ("img2img", 0.5, None, None)


def test_between_the_ends_it_goes_from_one_to_the_other() -> None:
    first, second = (ImageOps.fit(one, (200, 140)) for one in (FIRST, SECOND))
    shares = []
    for balance in (0.001, 0.25, 0.5, 0.75, 0.999):
        made = pixels(mixed(first, second, balance))
        far, near = (np.abs(made - pixels(one)).mean() for one in (first, second))
        shares.append(far / (far + near))
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] > 0.95
    means = [pixels(one).mean() for one in (first, second, mixed(first, second, 0.5))]
    assert means[2] == pytest.approx((means[0] + means[1]) / 2, abs=3)


def test_contrast_is_kept_where_a_cross_fade_halves_it() -> None:
    first, second = (ImageOps.fit(one, (200, 140)) for one in (FIRST, SECOND))
    made = detail(mixed(first, second, 0.5))
    assert made > 0.95 * min(detail(first), detail(second))
    assert made > 1.2 * detail(Image.blend(first, second, 0.5))


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 65)])
def test_a_picture_laid_into_itself_stays(size: tuple[int, int]) -> None:
    picture = FIRST.resize(size)
    assert np.abs(pixels(mixed(picture, picture, 0.3)) - pixels(picture)).max() <= 1


def test_each_picture_has_its_seed_and_colours_can_be_held() -> None:
    def darker(source: Image.Image, seed: int) -> Image.Image:
        return source.point(lambda level: level // 2 + seed)

    product, ((asked,),) = by_hand(blend(ask(0.5, count=2, seed=3), INFO), darker)
    assert [image.seed for image in product.images] == [3, 4]
    assert asked.count == 2
    dark, lighter = (pixels(opened(image.data)).mean() for image in product.images)
    assert lighter == pytest.approx(dark + 1)
    held, _ = by_hand(blend(ask(0.5, match_colours=True), INFO), darker)
    undisturbed, _ = by_hand(blend(ask(0.5), INFO), as_it_is)
    means = [pixels(opened(one.images[0].data)).mean() for one in (held, undisturbed)]
    assert means[0] == pytest.approx(means[1], abs=1)


def test_a_size_that_was_asked_for_is_the_results() -> None:
    product, ((asked,),) = by_hand(blend(ask(0.5, width=128, height=72), INFO), as_it_is)
    assert (asked.width, asked.height) == (128, 72)
    assert opened(product.images[0].data).size == (128, 72)
