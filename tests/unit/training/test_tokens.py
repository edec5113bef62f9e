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
    learned = tokens.learn(tokens.corpus(50, 0))
    text = "zß水🌊 lighthouse"
    ids = learned(text).input_ids
    assert learned.unk_token_id not in ids[1:-1]
    assert learned.decode(ids, skip_special_tokens=True).replace(" ", "") == "zß水🌊lighthouse"
