"""What is logged, in a process of its own: levels are the whole process's."""

import subprocess
import sys

import pytest

SHOW = """
import logging
from bot.__main__ import _log_from
_log_from({level!r})
names = ("bot.jobs.flight", "inference.catalog", "discord.http", "aiosqlite")
print(*(logging.getLogger(name).getEffectiveLevel() for name in names))
"""


@pytest.mark.parametrize(
    ("level", "levels"), [("DEBUG", "10 10 20 20"), ("INFO", "20 20 20 20"), ("ERROR", "40 " * 4)]
)
def test_libraries_never_log_at_debug(level: str, levels: str) -> None:
    code = SHOW.format(level=level)
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == levels.split()
