"""Long and weighted prompts, through tiny encoders."""

from pathlib import Path

import pytest
import torch

from inference.families.load import load_model
from inference.families.prompts import TextEncoders
from tests import tiny

LONG = "twenty letters here " * 8  # 17 tokens each, as each letter is one


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextEncoders:
    build = {"sd": tiny.sd, "sdxl": tiny.sdxl}[request.param]
    folder: Path = build(tmp_path_factory.mktemp("models") / request.param)
    return load_model(folder, torch.device("cpu"), torch.float32).prompts.encoders


def tokens(text: TextEncoders, prompt: str, chunks: int = 1) -> torch.Tensor:
    with torch.inference_mode():
        return text.encode(prompt, negative=False, chunks=chunks).tokens


def test_a_prompt_takes_the_chunks_it_needs(text: TextEncoders) -> None:
    assert [text.chunks(prompt) for prompt in ("", "a" * 75, "a" * 76, LONG)] == [1, 1, 2, 2]


def test_what_is_beyond_the_first_chunk_counts(text: TextEncoders) -> None:
    one, other = (tokens(text, LONG + end, 3) for end in ("cat", "dog"))
    assert one.shape[1] == 3 * 77
    assert torch.equal(one[:, :77], other[:, :77])
    assert not torch.allclose(one[:, 77:154], other[:, 77:154])


def test_a_shorter_prompt_is_filled_up_with_empty_chunks(text: TextEncoders) -> None:
    filled = tokens(text, "a cat", 2)
    assert torch.equal(filled[:, :77], tokens(text, "a cat"))
    assert torch.equal(filled[:, 77:], tokens(text, ""))


def test_weight_1_is_no_weight(text: TextEncoders) -> None:
    assert torch.equal(tokens(text, "a (cat:1.0)"), tokens(text, "a cat"))


def test_a_weight_moves_only_its_own_words(text: TextEncoders) -> None:
    plain, weighted = tokens(text, "a cat sat"), tokens(text, "a (cat:1.5) sat")
    moved = (plain != weighted).any(dim=2)[0].nonzero().flatten().tolist()
    assert moved == [2, 3, 4]  # after the beginning and “a”
    empty = tokens(text, "")
    expected = empty + 1.5 * (plain - empty)
    assert torch.allclose(weighted[:, 2:5], expected[:, 2:5], atol=1e-5)


def test_weight_0_leaves_what_an_empty_prompt_has(text: TextEncoders) -> None:
    gone = tokens(text, "a (cat:0)")
    assert torch.allclose(gone[:, 2:5], tokens(text, "")[:, 2:5], atol=1e-6)
