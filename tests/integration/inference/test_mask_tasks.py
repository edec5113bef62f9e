"""Inpainting and outpainting through the engine, in traffic with image-to-image."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from inference.engine.engine import Engine
from inference.engine.factory import load_engine
from inference.engine.programs import ProgramEngine
from inference.errors import RequestError
from inference.images import normalise
from inference.model_info import describe
from inference.options import Inpaint, Outpaint
from inference.request import GenerationRequest
from tests import tiny_pipelines
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import open_png, pixels, png, run

Programs = Callable[..., ProgramEngine]

MASK = Image.new("L", (100, 80))
ImageDraw.Draw(MASK).ellipse((30, 20, 70, 60), fill=255)


@pytest.fixture(scope="module")
def photo(source: bytes) -> bytes:
    return png(open_png(source).resize((100, 80)))


@pytest.fixture
def programs(load: LoadEngine, models: dict[str, Path]) -> Programs:
    def make(name: str, **settings: Any) -> ProgramEngine:
        """That paints patches of 64×64 pixels, whatever the model says of itself."""
        info = replace(describe(models[name]), pixel_budget=64 * 64)
        return ProgramEngine(load(name, **settings), info)

    return make


def inpaint(photo: bytes, mask: Image.Image | None = MASK, **changes: Any) -> GenerationRequest:
    """A request for that, or for another task without a mask."""
    values: dict[str, Any] = {
        "task": "inpaint",
        "prompt": "a fox",
        "strength": 0.9,
        "steps": 3,
        "seed": 1,
        "image": photo,
        "second": None if mask is None else png(mask),
    }
    return GenerationRequest(**values | changes)


@pytest.mark.parametrize("model", ["sd", "inpaint", "inpaint-xl", "sd3", "flux"])
def test_every_family_inpaints(programs: Programs, photo: bytes, model: str) -> None:
    request = inpaint(photo, count=2, options=Inpaint(area="masked", padding=4, blur=2))
    (result,) = run(programs(model), [request])
    far = np.asarray(MASK.filter(ImageFilter.GaussianBlur(2))) == 0
    assert len({image.data for image in result.images}) == 2
    for image in result.images:
        made = pixels(image.data)
        assert (made[far] == pixels(photo)[far]).all()
        assert np.abs(made - pixels(photo))[20:60, 30:70].max() > 10


@pytest.mark.parametrize("model", ["sd", "inpaint", "flux"])
def test_every_family_outpaints(programs: Programs, photo: bytes, model: str) -> None:
    request = inpaint(photo, None, task="outpaint", options=Outpaint(left=0.3, bottom=0.5))
    (result,) = run(programs(model), [request])
    (image,) = result.images
    assert (image.width, image.height) == (130, 120)
    assert (pixels(image.data)[:80, 30:] == pixels(photo)).all()
    assert result.steps_run >= 2 * request.steps_run


def test_neighbours_change_no_byte(programs: Programs, photo: bytes) -> None:
    requests = [
        inpaint(photo),
        inpaint(photo, options=Inpaint(area="masked"), seed=2),
        inpaint(photo, None, task="outpaint", options=Outpaint(right=0.2)),
        inpaint(photo, None, task="img2img", width=64, height=64),
    ]
    together = run(programs("sd"), requests)
    for request, result in zip(requests, together, strict=True):
        assert run(programs("sd"), [request])[0].images == result.images


def test_masked_and_plain_rows_share_forward_passes(programs: Programs, photo: bytes) -> None:
    engine = programs("sd", strict=False, rows=16, slots=8)
    square = png(open_png(photo).resize((96, 96)))
    requests = [
        inpaint(square, steps=20),
        inpaint(square, steps=20, seed=4, options=Inpaint(area="masked")),
        inpaint(square, None, task="img2img", steps=20, width=64, height=64),
        inpaint(square, None, task="variations", steps=20, width=64, height=64),
    ]
    results = run(engine, requests)
    inner = engine.inner
    assert isinstance(inner, Engine)
    # 18 steps each; the programs join as soon as they have made their masks.
    assert sum(result.steps_run for result in results) == 4 * 18
    assert inner.calls < 2 * 18


def test_a_file_s_transparent_parts_are_painted(programs: Programs, photo: bytes) -> None:
    erased = open_png(photo)
    erased.putalpha(ImageChops.invert(MASK))
    source = normalise(png(erased), max_bytes=10**6, max_pixels=10**6, transparency=True).data
    (result,) = run(programs("sd"), [inpaint(source, None)])
    inside = np.asarray(MASK) > 0
    made = pixels(result.images[0].data)
    assert (made[inside] == 255).all(axis=1).mean() < 0.5
    (over,) = run(programs("sd"), [inpaint(source, None, task="img2img", options=None)])
    flat = normalise(png(erased), max_bytes=10**6, max_pixels=10**6).data
    (same,) = run(programs("sd"), [inpaint(flat, None, task="img2img", options=None)])
    assert over.images == same.images


def test_strength_0_gives_the_source(programs: Programs, photo: bytes) -> None:
    (result,) = run(programs("sd"), [inpaint(photo, strength=0)])
    assert (pixels(result.images[0].data) == pixels(photo)).all()
    assert result.steps_run == 0


@pytest.fixture
def editor(tmp_path: Path) -> ProgramEngine:
    """One that paints patches of 96×80 pixels."""
    info = replace(describe(tiny_pipelines.instruct_pix2pix(tmp_path)), pixel_budget=96 * 80)
    return load_engine(info, "cpu")


def instruct(photo: bytes, **options: Any) -> tuple[GenerationRequest, np.ndarray]:
    """Within a mask, and where that is, bool [80, 96]."""
    mask = MASK.resize((96, 80), Image.Resampling.NEAREST)
    source = png(open_png(photo).resize((96, 80)))
    asked = inpaint(source, mask, prompt="make it night", options=Inpaint(blur=0, **options))
    return asked, np.asarray(mask) > 0


def test_an_instruction_is_followed_within_the_mask_only(
    editor: ProgramEngine, photo: bytes
) -> None:
    asked, inside = instruct(photo, content="original")
    told = asked.change(task="edit", options=None, second=None, strength=1.0)
    made, whole = (pixels(run(editor, [one])[0].images[0].data) for one in (asked, told))
    assert asked.image is not None
    source = pixels(asked.image)
    assert (made[~inside] == source[~inside]).all()
    assert (made[inside] == whole[inside]).all()
    assert (whole[~inside] != source[~inside]).any()


@pytest.mark.parametrize("content", ["original", "fill", "noise"])
def test_an_editor_sees_the_mask_s_surroundings(
    editor: ProgramEngine, photo: bytes, content: str
) -> None:
    asked, inside = instruct(photo, content=content, area="masked", padding=8)
    (result,) = run(editor, [asked])
    assert asked.image is not None
    made, source = pixels(result.images[0].data), pixels(asked.image)
    assert (made[~inside] == source[~inside]).all()
    assert (made[inside] != source[inside]).any(axis=1).mean() > 0.9


def test_an_editor_has_no_strength_within_a_mask(editor: ProgramEngine, photo: bytes) -> None:
    asked, _ = instruct(photo)
    with pytest.raises(RequestError, match=r"has no strength such as 0\.3; leave it out"):
        run(editor, [asked.change(strength=0.3)])
    (kept,) = run(editor, [asked.change(strength=0.0)])
    assert asked.image is not None
    assert (pixels(kept.images[0].data) == pixels(asked.image)).all()


def test_a_pipeline_that_is_told_nothing_refuses_a_mask(tmp_path: Path, photo: bytes) -> None:
    engine = load_engine(describe(tiny_pipelines.kandinsky(tmp_path)), "cpu")
    with pytest.raises(RequestError, match="cannot keep a part of a picture while it paints"):
        run(engine, [inpaint(photo, strength=1)])
