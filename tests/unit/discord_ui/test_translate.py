import logging
import re
from typing import Any

import pytest
from discord import AppCommandOptionType, app_commands

from bot.discord_ui.translate import explain, say
from bot.errors import BadPicture, Gone, NotPermitted, QueueFull, RateLimited, Refused, UserError
from inference.errors import ModelError, PictureError, RequestError


async def _callback(interaction) -> None: ...


COMMAND = app_commands.Command(name="x", description="x", callback=_callback)


@pytest.mark.parametrize(
    "error",
    [
        UserError("Said."),
        Refused("Said."),
        RateLimited("Said.", retry_at=None),
        QueueFull("Said."),
        NotPermitted("Said."),
        Gone("Said."),
        BadPicture("Said."),
        RequestError("Said."),
        PictureError("Said."),
    ],
)
def test_errors_that_members_cause_are_their_own_text(error, caplog) -> None:
    assert explain(error, doing="x") == "Said."
    assert explain(app_commands.CommandInvokeError(COMMAND, error), doing="x") == "Said."
    assert not caplog.records


def test_an_option_refused_while_it_is_read() -> None:
    error = app_commands.TransformerError("cube", AppCommandOptionType.string, _Transformer())
    assert explain(error, doing="x") == "“cube” cannot be used for that option."
    error.__cause__ = Refused("Not a cube.")
    assert explain(error, doing="x") == "Not a cube."


class _Transformer(app_commands.Transformer): ...


def test_missing_permissions_are_named_as_discord_names_them() -> None:
    error = app_commands.MissingPermissions(["manage_guild", "manage_messages"])
    text = explain(error, doing="x")
    assert text == "You need the permission Manage Server, Manage Messages for that."


def test_a_command_that_discord_still_shows() -> None:
    assert "reload Discord" in explain(app_commands.CommandNotFound("old", []), doing="x")


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), ModelError("/srv/secret")])
def test_everything_else_is_a_reference_that_is_in_the_log(error, caplog) -> None:
    with caplog.at_level(logging.ERROR):
        text = explain(app_commands.CommandInvokeError(COMMAND, error), doing="/reimagine")
    reference = re.search(r"`([0-9a-f]{8})`", text)
    assert reference is not None
    assert "secret" not in text
    (record,) = caplog.records
    assert reference[1] in record.getMessage()
    assert "/reimagine" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


class _Answered:
    """An interaction that was not answered yet."""

    def __init__(self) -> None:
        self.response = self
        self.said: list[str] = []

    def is_done(self) -> bool:
        return False

    async def send_message(self, text: str, *, ephemeral: bool) -> None:
        assert ephemeral
        self.said.append(text)


@pytest.mark.parametrize("length", [1999, 2000, 2001, 6000])
async def test_no_message_is_longer_than_discord_takes(length: int) -> None:
    interaction: Any = _Answered()
    assert await say(interaction, "x" * length)
    (said,) = interaction.said
    assert len(said) == min(length, 2000)
    assert said.endswith("…") is (length > 2000)
