"""The embedded models' own CLIP tokenizer: a small byte-pair vocabulary learned from captions."""

import json
import random
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import CLIPTokenizer

from inference.training.captions import FILLER, OTHER_SUBJECTS, caption
from inference.training.data import GRADES, Facts, facts_of
from inference.training.styles import STYLES
from inference.training.world import scene

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"


def corpus(count: int, seed: int) -> list[str]:
    """Captions to learn the vocabulary from."""
    rng = random.Random(seed)
    lines = [" ".join(OTHER_SUBJECTS)] * 40 + [" ".join(FILLER)] * 20 + list(GRADES)
    for i in range(count):
        style = rng.choice(list(STYLES))
        facts = (
            facts_of(scene(i), style)
            if rng.random() < 0.7
            else Facts(style=style, kind="photograph")
        )
        lines.append(caption(facts, rng))
    return lines


def learn(lines: Iterable[str], size: int = 2000, longest: int = 77) -> CLIPTokenizer:
    """A tokenizer of at most about `size` tokens, the same for the same lines (byte-pair encoding,
    Sennrich et al. 2016). 512 of them are the bytes within a word and at its end, so any text can
    be read.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    endings = [a + END_OF_WORD for a in alphabet]
    trainee = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD, unk_token=None))
    trainee.normalizer = normalizers.Lowercase()
    trainee.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Whitespace(),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        end_of_word_suffix=END_OF_WORD,
        initial_alphabet=alphabet,
        # Pairs as frequent as each other are merged in the order of their ids, and bytes that end a
        # word are given ids as they are met, in no order, unless they have them from the outset.
        special_tokens=endings,
        show_progress=False,
    )
    trainee.train_from_iterator(lines, trainer)
    merges = [tuple(m) for m in _merges(trainee)]
    tokens = [*alphabet, *endings, *("".join(m) for m in merges), START, END]
    vocabulary = {t: i for i, t in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=longest)


def ids_of(tokenizer: CLIPTokenizer, words: Sequence[str]) -> Tensor:
    """Token ids [n, tokenizer.model_max_length], padded and cut as diffusers' pipelines do."""
    padded = tokenizer(
        list(words),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    ids: Tensor = padded.input_ids
    return ids


def _merges(trained: Tokenizer) -> list[list[str]]:
    found = json.loads(trained.to_str())["model"]["merges"]
    return [m if isinstance(m, list) else m.split(" ") for m in found]
