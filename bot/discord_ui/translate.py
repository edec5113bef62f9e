"""The one translator from an error to what a member reads.

Commands, buttons, modals and reactions all end here. A UserError or a RequestError is its own
text. Everything else becomes a short reference under which the owner finds the traceback in the
log; nothing is guessed.

Where it is said: privately, always. An error is the asker's business and not the channel's. If
the interaction was already acknowledged with a public "thinking…" message, that message goes
away and the sentence is said privately.
"""

import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
from discord import app_commands

from bot.discord_ui.replies import panel
from bot.errors import UserError
from inference.errors import RequestError

log = logging.getLogger(__name__)

UNKNOWN_INTERACTION = 10062
ALREADY_ACKNOWLEDGED = 40060

MAX_SAID = 2000  # characters that a message holds
MAX_TYPED = 1500


def explain(error: BaseException, *, doing: str) -> str:
    """One sentence for a member; logs a traceback unless the member caused the error.

    doing: what failed, for the log, e.g. ``"/reimagine"``.
    """
    cause = _cause(error)
    if isinstance(cause, UserError | RequestError):
        return str(cause)
    text = _of_command(cause)
    if text is not None:
        return text
    reference = secrets.token_hex(4)
    log.error("Reference %s: %s failed", reference, doing, exc_info=cause)
    return no_fault_of_yours(reference)


def no_fault_of_yours(reference: str) -> str:
    """What a member is told of a failure that the log has under this reference."""
    return (
        "Something went wrong here that is not your doing. "
        f"The owner of this bot finds it in the log as `{reference}`."
    )


def _cause(error: BaseException) -> BaseException:
    """What discord.py wrapped on the way up."""
    if isinstance(error, app_commands.CommandInvokeError):
        return error.original
    if isinstance(error, app_commands.TransformerError) and error.__cause__ is not None:
        return _cause(error.__cause__)
    return error


def _of_command(error: BaseException) -> str | None:
    """The sentence for an error of discord.py's command framework, or None."""
    match error:
        case app_commands.NoPrivateMessage():
            return "This works only in a server, not in private messages."
        case app_commands.MissingPermissions(missing_permissions=missing):
            names = ", ".join(_title(name) for name in missing)
            return f"You need the permission {names} for that."
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return "This command has changed; reload Discord (Ctrl+R) and try again."
        case app_commands.TransformerError(value=value):
            return f"“{str(value)[:100]}” cannot be used for that option."
        case _:
            return None


def _title(permission: str) -> str:
    """A permission as Discord's own settings name it."""
    return {"manage_guild": "Manage Server"}.get(permission, permission.replace("_", " ").title())


async def answer(
    interaction: discord.Interaction[Any], error: BaseException, *, doing: str, typed: str = ""
) -> None:
    """Tells the member who asked; see the module's rule. Never raises for a lost interaction.

    typed: what they should not have to type again.
    """
    cause = _cause(error)
    if isinstance(cause, discord.NotFound) and cause.code == UNKNOWN_INTERACTION:
        log.warning("Discord did not wait for the answer to %s", doing)
        return
    text = explain(cause, doing=doing)
    if typed:
        text += f"\nYou had typed: {discord.utils.escape_markdown(typed)[:MAX_TYPED]}"
    await say(interaction, text)


async def say(interaction: discord.Interaction[Any], text: str) -> bool:
    """Says something privately, whatever was answered before; whether it arrived.

    What is too long ends in "…".
    """
    if len(text) > MAX_SAID:
        text = text[: MAX_SAID - 1] + "…"
    try:
        if not interaction.response.is_done():
            await interaction.response.send_message(text, ephemeral=True)
            return True
        thinks = discord.InteractionResponseType.deferred_channel_message
        if interaction.response.type is not thinks:
            await interaction.followup.send(text, ephemeral=True)
            return True
        with contextlib.suppress(discord.NotFound):
            # While it thinks, Discord makes the first followup of it, as public as it is.
            await interaction.edit_original_response(view=panel("…"))
        await interaction.followup.send(text, ephemeral=True)
        with contextlib.suppress(discord.NotFound):
            await interaction.delete_original_response()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as lost:
        # The token died or Discord stopped waiting: there is no private way left to say it.
        log.warning("Could not tell member %s: %s (%s)", interaction.user.id, text, lost)
        return False
    return True


@contextlib.asynccontextmanager
async def told(
    interaction: discord.Interaction[Any], *, doing: str, typed: str = ""
) -> AsyncIterator[None]:
    """Whatever goes wrong inside is told to the member who asked; typed: see `answer`."""
    try:
        yield
    except Exception as error:  # the border to Discord: behind it nobody would hear of it
        await answer(interaction, error, doing=doing, typed=typed)
