import json

import pytest

from bot.discord_ui.policy_card import MAX_CHANNELS, changed, policy_card
from bot.errors import Refused
from bot.model import GuildPolicy

POLICY = GuildPolicy(guild_id=1, channels=(10, 20))


def test_only_what_is_named_changes() -> None:
    assert changed(POLICY) == POLICY
    new = changed(POLICY, min_strength=0.0, max_steps=None, open_buttons=True, default_count=2)
    assert new == GuildPolicy(
        guild_id=1, channels=(10, 20), min_strength=0.0, open_buttons=True, default_count=2
    )


def test_channels_come_and_go() -> None:
    assert changed(POLICY, allow_channel=30).channels == (10, 20, 30)
    assert changed(POLICY, allow_channel=20).channels == (10, 20)
    assert changed(POLICY, remove_channel=10).channels == (20,)
    assert changed(POLICY, everywhere=True).channels == ()
    assert changed(POLICY, everywhere=True, allow_channel=30).channels == (30,)


def test_a_channel_that_is_not_in_the_list_cannot_be_removed() -> None:
    with pytest.raises(Refused, match="<#30> is not in the list"):
        changed(POLICY, remove_channel=30)


def test_the_list_of_channels_is_bounded() -> None:
    full = GuildPolicy(guild_id=1, channels=tuple(range(MAX_CHANNELS)))
    with pytest.raises(Refused, match=f"At most {MAX_CHANNELS} channels"):
        changed(full, allow_channel=1000)


async def test_the_card_shows_every_field() -> None:
    policy = GuildPolicy(
        guild_id=1,
        member_budget=101,
        guild_budget=102,
        window_minutes=103,
        member_queue=104,
        guild_queue=105,
        channels=(106, 107),
        min_strength=0.11,
        max_strength=0.93,
        default_strength=0.57,
        max_steps=108,
        default_steps=109,
        max_count=8,
        default_count=7,
    )
    text = json.dumps(policy_card(policy).to_components(), ensure_ascii=False)
    for shown in (*(str(number) for number in range(101, 110)), "0.11", "0.93", "0.57", "8", "7"):
        assert shown in text
    assert "<#106> <#107>" in text
    assert "everybody" not in text
    open_text = json.dumps(policy_card(changed(policy, open_buttons=True)).to_components())
    assert "everybody" in open_text
    most = GuildPolicy(guild_id=1, channels=tuple(range(10**18, 10**18 + MAX_CHANNELS)))
    assert len(json.dumps(policy_card(most).to_components())) < 4000
