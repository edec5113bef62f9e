"""Long and weighted prompts of SD3 and Flux, through tiny encoders."""

from pathlib import Path

import pytest
import torch

from inference.errors import RequestError
from inference.families.load import load_model
from inference.families.prompts import TextEncoders
from tests import tiny_flow

CPU = torch.device("cpu")
CLIP, SHORT, LONG = 77, 256, 512
"""Tokens of a chunk of CLIP, and of T5 as a rule and at most."""


def encoders(folder: Path) -> TextEncoders:
    return load_model(folder, CPU, torch.float32).prompts.encoders


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> TextEncoders:
    return encoders(tiny_flow.sd3(tmp_path_factory.mktemp("models") / "sd3"))


@pytest.fixture(scope="module")
def clip_only(tmp_path_factory: pytest.TempPathFactory) -> TextEncoders:
    return encoders(tiny_flow.sd3(tmp_path_factory.mktemp("models") / "sd3", t5=False))


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> TextEncoders:
    return encoders(tiny_flow.flux(tmp_path_factory.mktemp("models") / "flux"))


def tokens(text: TextEncoders, prompt: str, chunks: int | None = None) -> torch.Tensor:
    with torch.inference_mode():
        needed = text.chunks(prompt) if chunks is None else chunks
        return text.encode(prompt, negative=False, chunks=needed).tokens[0]


def moved(one: torch.Tensor, other: torch.Tensor) -> list[int]:
    return (one != other).any(dim=1).nonzero().flatten().tolist()


# In the tiny tokenizers “a” is one token, and “b” is one of CLIP's and two of T5's.
def test_a_prompt_takes_the_tokens_it_needs(sd3: TextEncoders) -> None:
    lengths = {prompt: len(tokens(sd3, prompt)) for prompt in ("", "a " * 75, "a " * 76)}
    assert [*lengths.values()] == [CLIP + SHORT, CLIP + SHORT, 2 * CLIP + SHORT]
    assert len(tokens(sd3, "a " * 225)) == 3 * CLIP + SHORT
    assert len(tokens(sd3, "a " * 255)) == 4 * CLIP + LONG
    assert len(tokens(sd3, "b " * 127)) == 2 * CLIP + SHORT
    assert len(tokens(sd3, "b " * 128)) == 4 * CLIP + LONG


def test_no_word_of_a_long_prompt_is_lost(sd3: TextEncoders, flux: TextEncoders) -> None:
    for text in (sd3, flux):
        long = "b " * 200
        one, other = (tokens(text, long + end) for end in ("cat", "dog"))
        assert moved(one, other)
    one, other = (tokens(sd3, "b " * 200 + end) for end in ("cat", "dog"))
    assert min(moved(one, other)) >= 2 * CLIP  # the third chunk has it
    assert max(moved(one, other)) >= 3 * CLIP  # and so has T5


def test_a_prompt_that_is_too_long_for_t5_is_refused(sd3: TextEncoders, flux: TextEncoders) -> None:
    fits = "a " * (LONG - 1)
    for text in (sd3, flux):
        text.chunks(fits)
        with pytest.raises(RequestError) as caught:
            text.chunks(fits + "a")
        assert str(caught.value) == (
            "A prompt of 512 tokens is too long for this model; it reads at most 511."
        )


def test_without_t5_there_are_zeros_and_no_limit(clip_only: TextEncoders) -> None:
    found = tokens(clip_only, "a " * 600)
    assert found.shape == (8 * CLIP + SHORT, 96)
    assert not found[8 * CLIP :].any()
    assert found[: 8 * CLIP, :80].any(dim=1).all()
    assert not found[:, 80:].any()


def test_of_a_pair_the_shorter_one_is_filled_up(sd3: TextEncoders) -> None:
    filled = tokens(sd3, "a cat", 2)
    assert torch.equal(filled[:CLIP], tokens(sd3, "a cat")[:CLIP])
    assert torch.equal(filled[CLIP : 2 * CLIP], tokens(sd3, "")[:CLIP])
    assert torch.equal(filled[2 * CLIP :], tokens(sd3, "a cat")[CLIP:])


def test_weight_1_is_no_weight_for_t5(flux: TextEncoders, sd3: TextEncoders) -> None:
    for text in (flux, sd3):
        assert torch.equal(tokens(text, "a (cat:1.0), sat"), tokens(text, "a cat, sat"))


def test_a_weight_moves_only_its_own_words_of_t5(flux: TextEncoders) -> None:
    plain, weighted = tokens(flux, "a cat, sat"), tokens(flux, "a (cat:1.5), sat")
    assert moved(plain, weighted) == [1, 2, 3, 4]  # ▁ c a t; neither ▁a nor the comma
    empty = tokens(flux, "")
    assert torch.allclose(weighted[1:5], (empty + 1.5 * (plain - empty))[1:5], atol=1e-5)


def test_weight_0_leaves_t5_what_an_empty_prompt_has(flux: TextEncoders) -> None:
    assert torch.allclose(tokens(flux, "a (cat:0)")[1:5], tokens(flux, "")[1:5], atol=1e-6)


def test_weights_reach_both_clip_and_t5_of_sd3(sd3: TextEncoders) -> None:
    places = moved(tokens(sd3, "a cat sat"), tokens(sd3, "a (cat:1.5) sat"))
    assert places == [2, 3, 4, CLIP + 1, CLIP + 2, CLIP + 3, CLIP + 4]


def test_a_token_in_two_phrases_has_the_weight_of_the_one_it_ends_in(flux: TextEncoders) -> None:
    assert torch.equal(tokens(flux, "(h:1.5)ouse"), tokens(flux, "house"))
    assert torch.equal(tokens(flux, "h(ouse:1.5)"), tokens(flux, "(house:1.5)"))


def test_a_bad_weight_is_refused(flux: TextEncoders, sd3: TextEncoders) -> None:
    for text in (flux, sd3):
        with pytest.raises(RequestError, match="weight 9"):
            text.chunks("a (cat:9)")


def test_flux_s_summary_is_of_the_beginning(flux: TextEncoders) -> None:
    with torch.inference_mode():
        short, long, other = (
            flux.encode(prompt, negative=False, chunks=1).pooled
            for prompt in ("b " * 75, "b " * 76, "c " + "b " * 75)
        )
    assert torch.equal(short, long)
    assert not torch.equal(short, other)
