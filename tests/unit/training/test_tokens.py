"""The vocabulary of the embedded models."""

from inference.training import tokens


def test_the_same_captions_make_the_same_vocabulary() -> None:
    """Many pairs are as frequent as each other; which is merged first must not be left to luck."""
    lines = tokens.corpus(200, 0)
    learned = [tokens.learn(lines) for _ in range(8)]
    assert len({tuple(sorted(one.get_vocab().items())) for one in learned}) == 1
    words = "a watercolour painting of a lighthouse at night"
    assert len({tuple(one(words).input_ids) for one in learned}) == 1


def test_any_text_can_be_read() -> None:
    tokenizer = tokens.learn(tokens.corpus(200, 0), size=1000)
    ids = tokenizer("a watercolour of a cat").input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert len(ids) < 12, "nothing was merged"
    for text in ("Größe 🎨 日本", "xyzzy-9000!", ""):
        inside = tokenizer(text).input_ids[1:-1]
        assert tokenizer.eos_token_id not in inside
