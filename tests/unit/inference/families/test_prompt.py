import pytest

from inference.errors import RequestError
from inference.families.prompt import parse_prompt


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("", [("", 1)]),
        ("a red house", [("a red house", 1)]),
        ("a (red:1.3) house", [("a ", 1), ("red", 1.3), (" house", 1)]),
        ("(red : .5 )", [("red ", 0.5)]),
        ("((a:1.2) b:1.5)", [("a", 1.8), (" b", 1.5)]),
        ("(a:1.2)(b:1.2)", [("ab", 1.2)]),
        ("a (cute) cat", [("a (cute) cat", 1)]),
        ("a (cute) (cat:0)", [("a (cute) ", 1), ("cat", 0)]),
        ("((cute) cat:2)", [("(cute) cat", 2)]),
        (r"\(a:1.2\) (b:1.2)", [("(a:1.2) ", 1), ("b", 1.2)]),
        ("ratio 16:9 (b:1.2)", [("ratio 16:9 ", 1), ("b", 1.2)]),
        ("(a: b:1.2)", [("a: b", 1.2)]),
        ("open (a (b:1.2)", [("open (a ", 1), ("b", 1.2)]),
        ("shut) (b:1.2)) c", [("shut) ", 1), ("b", 1.2), (") c", 1)]),
        ("a:1.2) (b:1.5)", [("a:1.2) ", 1), ("b", 1.5)]),
    ],
)
def test_phrases_and_weights(prompt: str, phrases: list[tuple[str, float]]) -> None:
    found = parse_prompt(prompt)
    assert [phrase.text for phrase in found] == [text for text, _ in phrases]
    assert [phrase.weight for phrase in found] == pytest.approx([w for _, w in phrases])


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("(a:2.5)", "weight 2.5 in the prompt is outside 0 to 2; the nearest allowed value is 2."),
        ("(a:-1)", "weight -1 in the prompt is outside 0 to 2; the nearest allowed value is 0."),
        ("((a:1.5):1.5)", "weight 2.25"),
    ],
)
def test_a_weight_beyond_the_limits_is_refused(prompt: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        parse_prompt(prompt)
