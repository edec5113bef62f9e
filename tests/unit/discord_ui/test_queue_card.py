"""What /queue says of a job."""

import dataclasses
import json
from typing import Any

import pytest

from bot.discord_ui.queue_card import queue_card
from bot.jobs.service import Usage
from bot.model import JobStatus
from tests.unit.discord_ui.job_rows import job

URL, STORED = "https://cdn.invalid/a.png", "a" * 64
USAGE = Usage(member=1, guild=2, member_budget=3, guild_budget=4, window_minutes=60)


@pytest.mark.parametrize(
    ("pictures", "says"),
    [
        ({}, "is being accepted"),
        ({"source": STORED}, "is being accepted"),
        ({"source_url": URL}, "waits for its picture"),
        ({"source": STORED, "second_url": URL}, "waits for its picture"),
        ({"source_url": URL, "source": STORED}, "is being accepted"),
    ],
)
def test_only_what_has_a_picture_to_fetch_waits_for_it(pictures: dict[str, Any], says: str) -> None:
    row = dataclasses.replace(job(7, 3, "x"), status=JobStatus.RECEIVED, **pictures)
    card = queue_card([(row, None)], more=0, usage=USAGE, user_id=3, channel_id=2)
    assert f"**#7** <@3> {says} · x" in json.dumps(card.to_components(), ensure_ascii=False)
