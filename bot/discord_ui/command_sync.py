"""Tells Discord about the commands, but only when they changed."""

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import discord
from discord import app_commands
from discord.http import Route

log = logging.getLogger(__name__)


class CommandSync:
    """Remembers in a file what was last sent, and asks Discord whether that still stands.

    Discord gives every command a version, so comparing those finds commands that were changed
    or lost on its side without comparing contents, which it rewrites on arrival.
    """

    def __init__(self, client: discord.Client, tree: app_commands.CommandTree[Any], file: Path):
        self._client = client
        self._tree = tree
        self._file = file

    async def run(self) -> bool:
        """Sends the commands unless Discord has them already; True if they were sent.

        While Discord does not answer, the old commands stay and the bot serves those.
        """
        digest = self._digest()
        try:
            known = await self._known()
            if await asyncio.to_thread(self._read) == {"digest": digest, "commands": known}:
                return False
            await self._tree.sync()
            known = await self._known()
        except discord.HTTPException:
            log.exception("The commands could not be sent to Discord; the old ones stay")
            return False
        try:
            await asyncio.to_thread(self._write, {"digest": digest, "commands": known})
        except OSError as error:  # they are sent all the same, and will be again
            log.warning("That the commands were sent cannot be noted: %s", error)
        log.info("Sent %d commands to Discord", len(known))
        return True

    async def _known(self) -> list[list[str]]:
        """Name, id and version of every command that Discord has."""
        if self._client.application_id is None:
            raise discord.app_commands.MissingApplicationID
        commands = await self._client.http.get_global_commands(self._client.application_id)
        return sorted(
            [command["name"], str(command["id"]), str(command["version"])] for command in commands
        )

    def _digest(self) -> str:
        payload = [command.to_dict(self._tree) for command in self._tree.get_commands()]
        text = json.dumps([Route.BASE, payload], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _read(self) -> Any:
        try:
            return json.loads(self._file.read_text())
        except (OSError, ValueError):
            return None

    def _write(self, state: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(state))
