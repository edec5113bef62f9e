import re

import pytest

from bot.discord_ui.buttons import BUTTON_ID, LOOKS, Action, JobButton


@pytest.mark.parametrize("action", Action)
async def test_a_button_is_only_its_action_and_its_job(action: Action) -> None:
    button = JobButton(action, 2**31)
    assert len(button.custom_id) <= 100
    match = BUTTON_ID.fullmatch(button.custom_id)
    assert match is not None
    again = await JobButton.from_custom_id(None, button.item, match)  # type: ignore[arg-type]
    assert (again.action, again.job_id) == (action, 2**31)
    assert again.custom_id == button.custom_id


def test_every_action_has_a_look() -> None:
    assert set(LOOKS) == set(Action)
    looks = [LOOKS[action][0] for action in Action]
    assert looks[:10] == ["🎲", "💪", "💪", "✏️", "🔁", "🗑️", "✖️", "⚖️", "🪜", "🎨"]
    assert looks[10:] == ["⬆️", "🎭", "🖌️", "▶️", "▶️"]


@pytest.mark.parametrize("custom_id", ["palimpsest:reroll", "palimpsest::1", "x:reroll:1"])
def test_other_buttons_are_left_alone(custom_id: str) -> None:
    assert re.fullmatch(BUTTON_ID, custom_id) is None
