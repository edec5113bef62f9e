import pytest
from job_rows import job

from bot.discord_ui.options import job_choices, model_choices, strength_choices
from inference.model_info import ModelInfo


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", [0.35, 0.6, 0.75]),
        ("b", [0.6, 0.75]),
        ("Bold", [0.75]),
        ("0.7", [0.7, 0.75]),
        ("0.6", [0.6]),
        ("0,42", [0.42]),
        ("2", []),
        ("nan", []),
        ("nonsense", []),
    ],
)
def test_bands_and_what_was_typed_are_offered(typed: str, offered: list[float]) -> None:
    assert [choice.value for choice in strength_choices(typed)] == offered


def test_bands_say_their_number() -> None:
    assert [choice.name for choice in strength_choices("")] == [
        "subtle (0.35)",
        "balanced (0.6)",
        "bold (0.75)",
    ]


def test_models_are_found_by_title_and_id_and_at_most_25() -> None:
    models = [
        ModelInfo(id=f"m{number}", title=f"Model {number}", location="/m") for number in range(40)
    ]
    assert [choice.value for choice in model_choices(models, "MODEL 7")] == ["m7"]
    assert [choice.value for choice in model_choices(models, "m39")] == ["m39"]
    assert len(model_choices(models, "")) == 25


def test_a_model_whose_id_no_choice_can_hold_is_not_offered() -> None:
    assert model_choices([ModelInfo(id="x" * 101, title="X", location="/m")], "") == []
    long_title = ModelInfo(id="x", title="X" * 200, location="/m")
    assert len(model_choices([long_title], "")[0].name) == 100


def test_only_ones_own_jobs_are_offered() -> None:
    jobs = [job(1, 7, "a harbour"), job(2, 8, "a harbour"), job(3, 7, "a cat " * 100)]
    assert [choice.value for choice in job_choices(jobs, 7, "")] == [1, 3]
    assert [choice.value for choice in job_choices(jobs, 7, "#3")] == [3]
    assert [choice.value for choice in job_choices(jobs, 7, "harb")] == [1]
    assert all(len(choice.name) <= 100 for choice in job_choices(jobs, 7, ""))
