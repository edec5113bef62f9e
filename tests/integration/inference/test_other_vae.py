"""A model with another autoencoder, TAESD among them, and previews by a tiny one."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from numpy.typing import NDArray
from PIL import Image

from inference.engine.engine import Engine
from inference.engine.factory import load_engine
from inference.engine.serial import SerialEngine
from inference.engine.settings import EngineSettings
from inference.errors import ModelError
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import Progress
from tests import tiny, tiny_flow, tiny_pipelines
from tests.integration.inference.traffic import open_png, pixels, png, run, run_staggered

AnyEngine = Engine | SerialEngine


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, and autoencoders beside them."""
    root = tmp_path_factory.mktemp("models")
    tiny.sd(root / "sd")
    tiny.sdxl(root / "sdxl")
    tiny_flow.flux(root / "flux")
    tiny_pipelines.instruct_pix2pix(root / "pix2pix")
    tiny_pipelines.qwen_edit(root / "qwen")
    tiny_pipelines.taesd(root / "taesd")
    tiny_pipelines.taesd(root / "coarse", levels=3)
    tiny_pipelines.taesd(root / "wide", channels=8)
    torch.manual_seed(7)
    tiny._vae(root / "vae", 4, scaling=0.5)
    return root


def load(root: Path, name: str, vae: str | None = None, **settings: Any) -> AnyEngine:
    info = describe(root / name).with_vae(None if vae is None else root / vae)
    return load_engine(info, "cpu", EngineSettings(**settings)).inner


def ask(source: bytes, **changes: Any) -> GenerationRequest:
    values = {"prompt": "a red house", "steps": 4, "guidance": 5.0, "image": source}
    return GenerationRequest(**values | {"width": 64, "height": 64} | changes)


@pytest.fixture(scope="module")
def expected(root: Path) -> Callable[..., NDArray[np.int16]]:
    """diffusers' image-to-image pipeline with that autoencoder."""
    pipes: dict[tuple[str, str], Any] = {}

    def picture(name: str, vae: str, request: GenerationRequest) -> NDArray[np.int16]:
        if (name, vae) not in pipes:
            kind = AutoencoderKL if vae == "vae" else AutoencoderTiny
            pipeline = (
                diffusers.StableDiffusionInstructPix2PixPipeline
                if name == "pix2pix"
                else diffusers.AutoPipelineForImage2Image
            )
            pipes[name, vae] = pipeline.from_pretrained(
                root / name, vae=kind.from_pretrained(root / vae)
            )
            pipes[name, vae].set_progress_bar_config(disable=True)
        assert request.image is not None
        options = {} if name == "pix2pix" else {"strength": request.strength}
        if name == "flux":
            options |= {"width": 64, "height": 64}
        made = pipes[name, vae](
            prompt=request.prompt,
            image=open_png(request.image),
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator().manual_seed(request.seed),
            **options,
        ).images[0]
        return np.asarray(made).astype(np.int16)

    return picture


def difference(data: bytes, wanted: NDArray[np.int16]) -> int:
    return int(np.abs(pixels(data) - wanted).max())


@pytest.mark.parametrize(
    ("name", "vae"),
    [("sd", "vae"), ("sd", "taesd"), ("sdxl", "vae"), ("sdxl", "taesd"), ("flux", "taesd")],
)
def test_parity_alone_and_in_traffic(
    root: Path, source: bytes, expected: Callable[..., Any], name: str, vae: str
) -> None:
    requests = [
        ask(source, strength=strength, seed=seed, guidance=guidance)
        for seed, (strength, guidance) in enumerate(((0.3, 5.0), (0.6, 3.0), (0.9, 5.0)))
    ]
    strict = load(root, name, vae)
    assert isinstance(strict, Engine)
    alone = [run(strict, [request])[0] for request in requests]
    arrivals = list(zip((0, 1, 1), requests, strict=True))
    together = run_staggered(strict, arrivals)
    fast = load(root, name, vae, strict=False, rows=8, together=3)
    assert isinstance(fast, Engine)
    hurried = run_staggered(fast, arrivals)
    for request, *results in zip(requests, alone, together, hurried, strict=True):
        wanted = expected(name, vae, request)
        assert [difference(r.images[0].data, wanted) <= 1 for r in results] == [True] * 3
    assert [result.images for result in alone] == [result.images for result in together]


def test_another_vae_is_another_picture_and_another_revision(root: Path, source: bytes) -> None:
    results = [run(load(root, "sd", vae), [ask(source)])[0] for vae in (None, "vae", "taesd")]
    assert len({result.images for result in results}) == 3
    assert len({result.revision for result in results}) == 3


def test_through_its_own_pipeline(root: Path, source: bytes, expected: Callable[..., Any]) -> None:
    request = ask(source, strength=1)
    for vae in ("vae", "taesd"):
        engine = load(root, "pix2pix", vae)
        assert isinstance(engine, SerialEngine)
        (result,) = run(engine, [request])
        assert difference(result.images[0].data, expected("pix2pix", vae, request)) == 0


def test_the_models_folder_can_name_it(root: Path, tmp_path: Path, source: bytes) -> None:
    shutil.copytree(root / "sd", tmp_path / "sd")
    shutil.copytree(root / "taesd", tmp_path / "taesd")
    (tmp_path / "sd" / "palimpsest.json").write_text(json.dumps({"vae": "../taesd"}))
    shutil.rmtree(tmp_path / "sd" / "vae")
    (named,) = run(load(tmp_path, "sd"), [ask(source)])
    (given,) = run(load(root, "sd", "taesd"), [ask(source)])
    assert named.images == given.images
    shutil.copytree(root / "vae", tmp_path / "vae")
    (other,) = run(load(tmp_path, "sd", "vae"), [ask(source)])  # what is given wins
    assert other.images == run(load(root, "sd", "vae"), [ask(source)])[0].images


@pytest.mark.parametrize("name", ["sd", "pix2pix"])
@pytest.mark.parametrize(("vae", "given"), [("wide", "8 channels, one for 8×8"), ("coarse", "4×4")])
def test_one_that_does_not_fit_is_refused_with_both_names(
    root: Path, name: str, vae: str, given: str
) -> None:
    with pytest.raises(ModelError) as caught:
        load(root, name, vae)
    text = str(caught.value)
    assert f"{root / vae} does not fit the model {root / name}: " in text
    assert given in text
    assert "the model's have 4, one for 8×8." in text


@pytest.mark.parametrize(
    ("name", "vae", "sentence"),
    [
        ("sd", "nowhere", "nowhere is missing"),
        ("sd", "flux", "flux/config.json is missing"),
        ("sd", "qwen/vae", "is of a kind that is not supported, AutoencoderKLQwenImage; Auto"),
        ("qwen", "taesd", "is of another kind, AutoencoderTiny, than the autoencoder of the"),
        ("pix2pix", "qwen/vae", "is of another kind, AutoencoderKLQwenImage, than the"),
    ],
)
def test_what_is_no_autoencoder_for_it_is_refused(
    root: Path, name: str, vae: str, sentence: str
) -> None:
    with pytest.raises(ModelError) as caught:
        load(root, name, vae)
    assert sentence in str(caught.value)


@pytest.fixture
def with_preview(root: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    def make(name: str, preview: str) -> Path:
        folder = Path(shutil.copytree(root / name, tmp_path / name))
        own = {"preview_vae": str(root / preview)}
        (folder / "palimpsest.json").write_text(json.dumps(own))
        return folder

    return make


def previews(engine: AnyEngine, request: GenerationRequest) -> list[Image.Image]:
    seen: list[Progress] = []
    engine.submit(0, request, seen.append)
    while engine.has_work:
        engine.step()
    return [Image.open(io.BytesIO(p.preview)) for p in seen if p.preview is not None]


@pytest.mark.parametrize("name", ["sd", "pix2pix"])
def test_previews_by_a_tiny_autoencoder(
    root: Path, with_preview: Callable[[str, str], Path], source: bytes, name: str
) -> None:
    # 72 is no multiple of 16, and so padded by a pipeline whose model wants that.
    request = ask(source, strength=1, width=72, height=64)
    plain = load(root, name, preview_seconds=0)
    folder = with_preview(name, "taesd")
    tiny_drawn = load_engine(describe(folder), "cpu", EngineSettings(preview_seconds=0)).inner
    linear, drawn = previews(plain, request), previews(tiny_drawn, request)
    assert [picture.size for picture in drawn] == [(72, 64)] * 3
    assert [picture.size for picture in linear] == [(72, 64)] * 3
    assert all((np.asarray(a) != np.asarray(b)).any() for a, b in zip(linear, drawn, strict=True))
    assert run(plain, [request])[0].images == run(tiny_drawn, [request])[0].images


def test_a_preview_is_what_the_tiny_decoder_makes_of_the_latents(root: Path) -> None:
    from inference.engine.preview import Preview
    from inference.families.latents import LatentCodec
    from inference.families.tiny_codec import TinyCodec

    taesd = AutoencoderTiny.from_pretrained(root / "taesd")
    codec = LatentCodec(AutoencoderKL.from_pretrained(root / "sd" / "vae"))
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        jpeg = Preview(codec, TinyCodec(taesd)).jpeg(latents, (1, 0.5))
        decoded = taesd.decode(latents).sample[0].permute(1, 2, 0) / 2 + 0.5
    wanted = (decoded.clamp(0, 1) * 255).round().numpy()[:32]
    found = np.asarray(Image.open(io.BytesIO(jpeg)))
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < 6  # as far as a JPEG goes


@pytest.mark.parametrize(
    ("name", "preview", "sentence"),
    [
        ("sd", "wide", "wide does not fit the model "),
        ("sd", "vae", "is of a kind that cannot draw previews, AutoencoderKL; only Auto"),
        ("sd", "nowhere", "nowhere is missing"),
        ("pix2pix", "coarse", "coarse does not fit the model "),
        ("qwen", "taesd", "names a preview_vae, but previews are only possible where"),
    ],
)
def test_a_preview_decoder_that_does_not_fit_is_refused(
    with_preview: Callable[[str, str], Path], name: str, preview: str, sentence: str
) -> None:
    folder = with_preview(name, preview)
    with pytest.raises(ModelError) as caught:
        load_engine(describe(folder), "cpu")
    assert sentence in str(caught.value)


def test_a_source_of_another_shape(root: Path, source: bytes, expected: Callable[..., Any]) -> None:
    picture = png(open_png(source).resize((96, 64)))
    request = ask(picture, strength=0.5, width=96, height=64)
    (result,) = run(load(root, "sd", "taesd"), [request])
    assert difference(result.images[0].data, expected("sd", "taesd", request)) <= 1
