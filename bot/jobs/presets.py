"""What presets a guild has: its own, and the built-in ones that it did not replace."""

from dataclasses import replace
from difflib import get_close_matches

from bot.errors import Refused
from bot.storage.presets import PresetStore
from inference.presets import BUILT_IN, Preset

MAX_PRESETS = 100
"""That one guild may have of its own."""


class Presets:
    """Finds, saves and removes presets. Names are compared without regard to case."""

    def __init__(self, store: PresetStore) -> None:
        self._store = store

    async def all(self, guild_id: int) -> list[Preset]:
        """The guild's own and the built-in ones, by name."""
        presets = {preset.name: preset for preset in BUILT_IN}
        presets |= {preset.name: preset for preset in await self._store.of(guild_id)}
        return [presets[name] for name in sorted(presets)]

    async def find(self, guild_id: int, name: str) -> Preset:
        """The preset of this name. Raises Refused that names the nearest."""
        presets = {preset.name: preset for preset in await self.all(guild_id)}
        wanted = _plain(name)
        if wanted in presets:
            return presets[wanted]
        near = get_close_matches(wanted, presets, n=3) or list(presets)[:3]
        raise Refused(f"There is no preset “{name}”; there are, among others: {', '.join(near)}.")

    async def save(self, guild_id: int, preset: Preset) -> Preset:
        """Adds it, or replaces one of its name, and gives it as it is kept, in small letters.

        Raises Refused where the guild has too many.
        """
        preset = replace(preset, name=_plain(preset.name))
        own = {known.name for known in await self._store.of(guild_id)}
        if preset.name not in own and len(own) >= MAX_PRESETS:
            raise Refused(
                f"This server has {len(own)} presets of its own, the most allowed; "
                "remove one first."
            )
        await self._store.put(guild_id, preset)
        return preset

    async def remove(self, guild_id: int, name: str) -> None:
        """Removes one of the guild's own. Raises Refused for any other name."""
        if not await self._store.remove(guild_id, _plain(name)):
            built_in = _plain(name) in {preset.name for preset in BUILT_IN}
            why = (
                "is built in; save one of that name to replace it"
                if built_in
                else "is none of this server's own presets"
            )
            raise Refused(f"“{name}” {why}.")


def _plain(name: str) -> str:
    return name.strip().lower()
