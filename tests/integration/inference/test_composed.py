"""A model with a composer: what words name is composed small, and then painted over."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from inference.catalog import Catalog
from inference.engine.factory import load_engine
from inference.engine.programs import ProgramEngine
from inference.engine.settings import EngineSettings
from inference.errors import ModelError, RequestError
from inference.families.composer import (
    Composer,
    ComposerConfig,
    ComposerNet,
    load_composer,
    save_composer,
)
from inference.model_info import describe, revision
from inference.options import Variations
from inference.request import GenerationRequest
from inference.result import Progress
from tests import tiny, tiny_flow
from tests.integration.inference.traffic import open_png, png, run

SIZE = 80, 64


def save(folder: Path, **values: int) -> None:
    torch.manual_seed(0)
    given = {"latent_channels": 4, "text_width": 32, "area": 64, "steps": 2} | values
    net = ComposerNet(ComposerConfig(channels=(8, 8), width=8, **given))  # type: ignore[arg-type]
    for name, weights in net.named_parameters():
        if name.endswith(("head.weight", "conv_out.weight")):  # they begin at nothing
            torch.nn.init.normal_(weights, std=0.3)
    save_composer(net, folder)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd(tmp_path_factory.mktemp("bare") / "model")


@pytest.fixture(scope="module")
def folder(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a random composer in it."""
    place = tmp_path_factory.mktemp("composing") / "model"
    shutil.copytree(bare, place)
    save(place / "composer")
    return place


@pytest.fixture(scope="module")
def engine(folder: Path) -> ProgramEngine:
    return load_engine(describe(folder), "cpu")


@pytest.fixture(scope="module")
def composer(folder: Path) -> Composer:
    return load_composer(folder / "composer", folder)


def ask(**values: object) -> GenerationRequest:
    request = GenerationRequest(prompt="a house", steps=5, strength=1.0, seed=3)
    return request.change(**{"width": SIZE[0], "height": SIZE[1], **values})


def over(composer: Composer, request: GenerationRequest, seed: int) -> GenerationRequest:
    """The image-to-image that the picture of that seed should be."""
    small = composer.compose(request.prompt, request.negative_prompt, SIZE, seed)
    return request.change(image=png(small), strength=0.6)


def test_words_are_composed_and_painted_over(engine: ProgramEngine, composer: Composer) -> None:
    request = ask(negative_prompt="a boat")
    made, painted = run(engine, [request, over(composer, request, 3)])
    assert made.images[0].data == painted.images[0].data
    assert (made.images[0].width, made.images[0].height) == SIZE
    assert made.images[0].seed == 3
    assert made.steps_run == 3


def test_each_picture_is_composed_by_its_own_seed(
    engine: ProgramEngine, composer: Composer
) -> None:
    many, third = run(engine, [ask(count=3), over(composer, ask(seed=5), 5)])
    assert [image.seed for image in many.images] == [3, 4, 5]
    assert len({image.data for image in many.images}) == 3
    assert many.images[2].data == third.images[0].data


def test_the_words_decide_what_is_composed(composer: Composer) -> None:
    made = {
        composer.compose(words, unwanted, SIZE, seed).tobytes()
        for words in ("a house", "a boat")
        for unwanted in ("", "a castle")
        for seed in (1, 2)
    }
    assert len(made) == 8
    assert composer.compose("a boat", "", (64, 96), 1).size == (64, 96)


def test_variations_have_one_composition(engine: ProgramEngine, composer: Composer) -> None:
    request = ask(task="variations", options=Variations(spread=0.5), count=2)
    made, painted = run(engine, [request, over(composer, request, 3)])
    assert [image.data for image in made.images] == [image.data for image in painted.images]
    assert made.images[0].data != made.images[1].data


def test_what_has_a_source_is_as_it_was(engine: ProgramEngine, bare: Path, source: bytes) -> None:
    asked = [ask(image=source, strength=strength) for strength in (0.6, 1.0)]
    mine, others = run(engine, asked), run(load_engine(describe(bare), "cpu"), asked)
    assert [a.images[0].data for a in mine] == [b.images[0].data for b in others]


def test_without_a_size_it_is_the_models_own(engine: ProgramEngine) -> None:
    (made,) = run(engine, [ask(width=None, height=None)])
    assert open_png(made.images[0].data).size == (tiny.NATIVE_SIDE, tiny.NATIVE_SIDE)


def test_progress_counts_every_picture_and_shows_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[int, bytes]] = []
    told = ProgramEngine._progress

    def watched(self: ProgramEngine, run: Any, child: int, progress: Progress) -> None:
        if progress.preview:
            drawn.append((run.children[child], progress.preview))
        told(self, run, child, progress)

    monkeypatch.setattr(ProgramEngine, "_progress", watched)
    settings = EngineSettings.for_device(torch.device("cpu"))
    engine = load_engine(describe(folder), "cpu", replace(settings, preview_seconds=0.0))
    seen: list[Progress] = []
    engine.submit(1, ask(count=2, steps=10), seen.append)
    while engine.has_work:
        engine.step()
    assert [p.step for p in seen] == sorted(p.step for p in seen)
    assert (seen[-1].step, seen[-1].steps) == (12, 12)
    assert {place for place, _ in drawn} == {0, 1}
    shown = [p.preview for p in seen if p.preview]
    assert shown == [preview for place, preview in drawn if place == 0]


def test_nobodys_colours_are_kept(engine: ProgramEngine) -> None:
    plain, matched = run(engine, [ask(), ask(match_colours=True)])
    assert plain.images[0].data == matched.images[0].data


def test_what_is_composed_is_not_made_of_the_models_noise(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[torch.Tensor] = []
    sample = ComposerNet.sample

    def watched(self: ComposerNet, noise: torch.Tensor, *texts: torch.Tensor) -> torch.Tensor:
        begun.append(noise)
        return sample(self, noise, *texts)

    monkeypatch.setattr(ComposerNet, "sample", watched)
    for seed in (7, 7, 8):
        composer.compose("a house", "", SIZE, seed)
    assert torch.equal(begun[0], begun[1])
    models = torch.randn(begun[0].shape, generator=torch.Generator().manual_seed(7))
    for other in (begun[2], models):
        both = torch.stack([begun[0].flatten(), other.flatten()])
        assert abs(float(torch.corrcoef(both)[0, 1])) < 0.3


def test_variations_are_composed_once(
    engine: ProgramEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def counting(prompt: str, negative: str, size: tuple[int, int], seed: int) -> Image.Image:
        seeds.append(seed)
        return Image.new("RGB", size)

    monkeypatch.setattr(engine, "_compose", counting)
    run(engine, [ask(task="variations", options=Variations(spread=0.5), count=3)])
    assert seeds == [3]


def test_a_model_without_its_own_autoencoder(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    shutil.move(tmp_path / "model" / "vae", tmp_path / "vae")
    (tmp_path / "model" / "palimpsest.json").write_text('{"vae": "../vae"}')
    mine, others = (
        run(load_engine(describe(one), "cpu"), [ask()]) for one in (tmp_path / "model", folder)
    )
    assert mine[0].images[0].data == others[0].images[0].data


def test_a_bad_weight_is_said_to_who_asked(engine: ProgramEngine) -> None:
    engine.submit(1, ask(prompt="(a house:99)"), lambda progress: None)
    engine.submit(2, ask(), lambda progress: None)
    results = {}
    while engine.has_work:
        results |= {outcome.job_id: outcome.result for outcome in engine.step()}
    assert isinstance(results[1], RequestError)
    assert not isinstance(results[2], Exception)


def test_a_cancelled_one_ends(engine: ProgramEngine) -> None:
    engine.submit(1, ask(count=4), lambda progress: None)
    engine.cancel(1)
    ended = []
    while engine.has_work:
        ended += engine.step()
    (outcome,) = ended
    assert "cancelled" in str(outcome.result)


def test_a_cancelled_one_composes_no_more(
    engine: ProgramEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def cancelled(prompt: str, negative: str, size: tuple[int, int], seed: int) -> Image.Image:
        seeds.append(seed)
        engine.cancel(1)
        return Image.new("RGB", size)

    monkeypatch.setattr(engine, "_compose", cancelled)
    engine.submit(1, ask(count=4), lambda progress: None)
    ended = []
    while engine.has_work:
        ended += engine.step()
    (outcome,) = ended
    assert "cancelled" in str(outcome.result)
    assert seeds == [3]


def test_it_lies_in_the_models_folder_or_is_named(folder: Path, bare: Path, tmp_path: Path) -> None:
    assert describe(bare).composer is None
    inside = describe(folder).composer
    assert inside == str(folder / "composer")
    (tmp_path / "model_index.json").write_bytes((bare / "model_index.json").read_bytes())
    (tmp_path / "palimpsest.json").write_text(json.dumps({"composer": inside}))
    assert describe(tmp_path).composer == inside
    assert revision(str(bare)) != revision(str(bare), inside)


def test_models_of_another_kind_have_none(tmp_path: Path) -> None:
    flow = tiny_flow.flux(tmp_path / "flux")
    (flow / "composer").mkdir()
    assert describe(flow).composer is None
    (flow / "palimpsest.json").write_text('{"composer": "composer"}')
    with pytest.raises(ModelError, match="composer is for Stable Diffusion models"):
        describe(flow)


def test_one_for_another_model_is_refused(bare: Path, tmp_path: Path) -> None:
    save(tmp_path, text_width=24)
    with pytest.raises(ModelError, match=r"4 latent channels and words of width 24.* 4 and 32"):
        load_composer(tmp_path, bare)


def test_a_damaged_one_is_named_when_the_model_is_loaded(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "composer" / "model.safetensors").write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"composer/model\.safetensors"):
        load_engine(describe(tmp_path / "model"), "cpu")


def test_one_that_is_added_is_found_without_a_restart(bare: Path, tmp_path: Path) -> None:
    shutil.copytree(bare, tmp_path / "mine")
    catalog = Catalog(tmp_path)
    assert catalog.find("mine").composer is None
    save(tmp_path / "mine" / "composer")
    assert catalog.find("mine").composer == str(tmp_path / "mine" / "composer")
