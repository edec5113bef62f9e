"""Embeddings: the pictures are those of diffusers' own pipeline with them, within 1/255."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.errors import RequestError
from inference.request import GenerationRequest
from tests import tiny_adapters
from tests.integration.inference.lora_traffic import asked, engine_for, fill_shelf, load_with
from tests.integration.inference.traffic import Reference, pixels, run

WIDTHS = {"sd": (32,), "sdxl": (32, 48)}


def shelf_for(root: Path, model: Path) -> Path:
    widths = WIDTHS[model.name]
    for name, vectors in (("oldink", 1), ("foglike-v2", 3)):
        path = root / f"embeddings/{name}.safetensors"
        tiny_adapters.embedding(path, *widths, vectors=vectors, seed=vectors)
    return root


def reference_for(model: Path, shelf: Path) -> Reference:
    reference = Reference(model)
    pipe: Any = reference._from_image
    for path in sorted((shelf / "embeddings").glob("*.safetensors")):
        tensors = load_file(path)
        if len(tensors) == 1:
            pipe.load_textual_inversion(next(iter(tensors.values())), token=path.stem)
            continue
        for name, end in (("clip_l", ""), ("clip_g", "_2")):
            pipe.load_textual_inversion(
                tensors[name],
                token=path.stem,
                text_encoder=getattr(pipe, f"text_encoder{end}"),
                tokenizer=getattr(pipe, f"tokenizer{end}"),
            )
    return reference


def picture(engine: Any, request: GenerationRequest) -> np.ndarray[Any, Any]:
    return pixels(run(engine, [request])[0].images[0].data)


@pytest.mark.parametrize("model", WIDTHS)
def test_embeddings_in_the_prompt_and_the_negative_prompt(
    models: dict[str, Path], source: bytes, tmp_path: Path, model: str
) -> None:
    shelf = shelf_for(tmp_path, models[model])
    reference = reference_for(models[model], shelf)
    engine = engine_for(load_with(models[model], shelf), models[model])
    for prompt, negative in (
        ("a house, oldink, red", ""),
        ("foglike-v2", "oldink"),
        ("oldink foglike-v2 oldink", "a fog foglike-v2"),
    ):
        for strength, guidance in ((0.6, 5.0), (1, 1.0)):
            request = asked(
                prompt, source, negative_prompt=negative, strength=strength, guidance=guidance
            )
            expected = reference.run(request)
            assert np.abs(picture(engine, request) - expected).max() <= 1, prompt
    plain = picture(engine, asked("a house, oddink, red", source))
    assert np.abs(plain - picture(engine, asked("a house, oldink, red", source))).max() > 3


def test_a_word_is_found_in_any_case_but_not_within_a_longer_one(
    models: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    shelf = shelf_for(tmp_path, models["sd"])
    engine = engine_for(load_with(models["sd"], shelf), models["sd"])

    def pins(prompt: str) -> set[str]:
        return {*run(engine, [asked(prompt, source, steps=1)])[0].versions}

    assert pins("an OldInk, (FOGLIKE-V2:1.3)!") == {"embedding oldink", "embedding foglike-v2"}
    assert pins("oldinks boldink foglike foglike-v22 my-oldink-x") == set()
    lower, upper = (asked(f"a {word} house", source) for word in ("oldink", "OLDINK"))
    assert np.array_equal(picture(engine, lower), picture(engine, upper))


def test_weights_and_long_prompts_work_around_it(models: dict[str, Path], tmp_path: Path) -> None:
    shelf = shelf_for(tmp_path, models["sd"])
    text = load_with(models["sd"], shelf).prompts.encoders

    def tokens(prompt: str, chunks: int = 1) -> torch.Tensor:
        with torch.inference_mode():
            return text.encode(prompt, negative=False, chunks=chunks).tokens

    plain, weighted = tokens("a foglike-v2 b"), tokens("a (foglike-v2:1.5) b")
    moved = (plain != weighted).any(dim=2)[0].nonzero().flatten().tolist()
    assert moved == [2, 3, 4]
    assert torch.allclose(
        weighted[:, 2:5], tokens("")[:, 2:5] + 1.5 * (plain - tokens(""))[:, 2:5], atol=1e-5
    )
    assert torch.equal(tokens("a (foglike-v2:1) b"), plain)
    # 74 letters leave room for one more token: three vectors stay together in the next chunk.
    assert text.chunks("x" * 72 + " foglike-v2") == 1
    assert text.chunks("x" * 73 + " foglike-v2") == 2
    split = tokens("x" * 73 + " foglike-v2", 2)
    assert torch.equal(split[:, :77], tokens("x" * 73))
    assert torch.equal(split[:, 77:], tokens("foglike-v2"))


def test_an_old_text_encoder_still_finds_the_end_of_the_prompt(
    models: dict[str, Path], tmp_path: Path
) -> None:
    """Where the configuration says 2, transformers takes the token with the greatest id."""
    shelf = shelf_for(tmp_path, models["sdxl"])
    text: Any = load_with(models["sdxl"], shelf).prompts.encoders
    second = text.networks[1]
    assert second.text_model.eos_token_id == 513
    with torch.inference_mode():
        new = text.encode("a foglike-v2 house", negative=False, chunks=1).pooled
        second.text_model.eos_token_id = 2
        old = text.encode("a foglike-v2 house", negative=False, chunks=1).pooled
    assert torch.equal(new, old)


def test_it_goes_together_with_a_lora_of_the_text_encoder(
    models: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    shelf = shelf_for(fill_shelf(tmp_path, models["sd"]), models["sd"])
    reference = reference_for(models["sd"], shelf)
    pipe: Any = reference._from_image
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe.load_lora_weights(
            shelf / "loras",
            weight_name="wash.safetensors",
            adapter_name="wash",
            use_safetensors=True,
        )
    pipe.set_adapters(["wash"], [0.7])
    request = asked("a foglike-v2 house <lora:wash:0.7>", source)
    engine = engine_for(load_with(models["sd"], shelf), models["sd"])
    assert np.abs(picture(engine, request) - reference.run(request)).max() <= 1
    without = picture(engine, request.change(loras=()))
    assert np.abs(picture(engine, request) - without).max() > 8


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"emb_params": torch.zeros(2, 768)}, "“odd” was made for Stable Diffusion 1; it does not"),
        ({"x": torch.zeros(1, 1024)}, "“odd” was made for Stable Diffusion 2; it does not fit"),
        (
            {"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)},
            "“odd” was made for SDXL; it does not fit the model “sd”, which is Stable Diffusion.",
        ),
        ({"emb_params": torch.zeros(2, 48)}, "“odd” holds “emb_params” 2×48; it does not fit"),
        ({"a": torch.zeros(1, 32), "b": torch.zeros(1, 32)}, "holds “a” 1×32, “b” 1×32; it does"),
        ({"emb_params": torch.zeros(76, 32)}, "“odd” has 76 vectors; 1 to 75 are allowed."),
        ({"emb_params": torch.zeros(0, 32)}, "“odd” has 0 vectors; 1 to 75 are allowed."),
    ],
)
def test_one_that_does_not_fit_is_refused_with_both_names(
    models: dict[str, Path],
    source: bytes,
    tmp_path: Path,
    tensors: dict[str, torch.Tensor],
    says: str,
) -> None:
    (tmp_path / "embeddings").mkdir()
    save_file(tensors, tmp_path / "embeddings/odd.safetensors")
    engine = engine_for(load_with(models["sd"], tmp_path), models["sd"])
    with pytest.raises(RequestError) as caught:
        run(engine, [asked("something odd", source)])
    assert says in str(caught.value)
    assert len(run(engine, [asked("something else", source, steps=1)])) == 1


def test_one_of_a_single_encoder_does_not_fit_sdxl_and_a_torn_one_nothing(
    models: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    path = tiny_adapters.embedding(tmp_path / "embeddings/odd.safetensors", 32)
    engine = engine_for(load_with(models["sdxl"], tmp_path), models["sdxl"])
    with pytest.raises(RequestError, match="does not fit the model “sdxl”, which is SDXL"):
        run(engine, [asked("odd", source)])
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RequestError, match="The embedding “odd” is damaged: it has"):
        run(engine, [asked("odd", source)])


def test_a_file_of_diffusers_has_its_vector_under_the_token(
    models: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    for name, key in (("one", "emb_params"), ("two", "<one>")):
        tiny_adapters.embedding(tmp_path / f"embeddings/{name}.safetensors", 32, name=key)
    flat = {"<one>": load_file(tmp_path / "embeddings/two.safetensors")["<one>"][0].clone()}
    save_file(flat, tmp_path / "embeddings/three.safetensors")
    engine = engine_for(load_with(models["sd"], tmp_path), models["sd"])
    one, two, three = (picture(engine, asked(word, source)) for word in ("one", "two", "three"))
    assert np.array_equal(one, two)
    assert np.array_equal(one, three)
