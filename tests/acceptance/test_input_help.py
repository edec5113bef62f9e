"""/help, and that its examples are what the commands really take."""

import re

import pytest
from discord import app_commands
from input_studio import Studio, everything, here, told

from bot.discord_ui.help_command import EXAMPLES
from bot.discord_ui.replies import MAX_TEXT

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_command_has_an_example_that_it_takes(here: Studio) -> None:
    known = {
        command.name: command
        for command in here.client.tree.get_commands()
        if isinstance(command, app_commands.Command)
    }
    assert set(known) - {"help"} == set(EXAMPLES)
    for name, example in EXAMPLES.items():
        parameters = {parameter.display_name: parameter for parameter in known[name].parameters}
        used = re.findall(r"(\w+): ", example)
        assert set(used) <= set(parameters), name
        assert {key for key, one in parameters.items() if one.required} <= set(used), name


async def test_help_is_told_privately(here: Studio) -> None:
    text = await told(here, await here.sandbox.member("jun").slash("studio", "help"))
    assert len(text) <= MAX_TEXT
    for name in EXAMPLES:
        assert f"/{name}" in text
    assert "make it night" in text
