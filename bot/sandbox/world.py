"""A small world that is the same every time: two guilds, six channels, four people.

``Atelier`` is an ordinary guild. ``ada`` owns it, ``mo`` moderates it (Manage Messages), ``iris``
and ``jun`` are plain members. ``Salon`` is boosted to tier 2 (uploads up to 50 MiB): ``iris``
owns it, ``ada`` is its steward (Manage Server), ``mo`` and ``jun`` are plain members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, GuildHandle, RoleHandle

from bot.sandbox.simcord_host import Host
from bot.sandbox.wire import Polish

PEOPLE = ("ada", "mo", "iris", "jun")
BOT_NAME = "Palimpsest"


@dataclass(frozen=True, kw_only=True)
class Guild:
    """A guild with its channels and people by name."""

    name: str
    handle: GuildHandle
    channels: dict[str, ChannelHandle]
    members: dict[str, MemberActor]

    @property
    def id(self) -> int:
        """Its snowflake."""
        return int(self.handle.id)


@dataclass(frozen=True, kw_only=True)
class World:
    """Both guilds."""

    atelier: Guild
    salon: Guild

    @property
    def guilds(self) -> tuple[Guild, Guild]:
        """Atelier, then Salon."""
        return self.atelier, self.salon

    def guild(self, name: str) -> Guild:
        """A guild by its name."""
        return {"atelier": self.atelier, "salon": self.salon}[name.lower()]

    def channel(self, name: str) -> ChannelHandle:
        """A channel by its name, with or without ``#``; names are unique across the guilds."""
        for guild in self.guilds:
            if (found := guild.channels.get(name.removeprefix("#"))) is not None:
                return found
        raise KeyError(f"no channel {name!r}")


def build(host: Host, polish: Polish) -> World:
    """Make the world, in a fixed order, so that its ids are the same every time."""
    users = {name: host.create_user(name, global_name=name.capitalize()) for name in PEOPLE}

    atelier = host.create_guild("Atelier", owner=users["ada"])
    moderator = atelier.create_role(
        "moderator", permissions=discord.Permissions(manage_messages=True)
    )
    people = {"ada": _owner(host, atelier, users["ada"])}
    people["mo"] = atelier.add_member(users["mo"], roles=[moderator])
    people["iris"] = atelier.add_member(users["iris"])
    people["jun"] = atelier.add_member(users["jun"])
    mine = _bot_role(atelier)
    rooms = {
        "studio": atelier.create_text_channel("studio", topic="Pictures, painted over."),
        "gallery": atelier.create_text_channel("gallery", topic="The ones worth keeping."),
        "after-dark": atelier.create_text_channel("after-dark", topic="Age-restricted."),
        "no-uploads": _without(atelier, mine, "no-uploads", attach_files=False),
        "read-only": _without(atelier, mine, "read-only", send_messages=False),
    }
    polish.age_restricted.add(rooms["after-dark"].id)

    salon = host.create_guild("Salon", owner=users["iris"])
    steward = salon.create_role("steward", permissions=discord.Permissions(manage_guild=True))
    guests = {"iris": _owner(host, salon, users["iris"])}
    guests["ada"] = salon.add_member(users["ada"], roles=[steward])
    guests["mo"] = salon.add_member(users["mo"])
    guests["jun"] = salon.add_member(users["jun"])
    halls = {"atrium": salon.create_text_channel("atrium", topic="The boosted guild.")}
    polish.tiers[salon.id] = 2

    return World(
        atelier=Guild(name="Atelier", handle=atelier, channels=rooms, members=people),
        salon=Guild(name="Salon", handle=salon, channels=halls, members=guests),
    )


def _owner(host: Host, guild: GuildHandle, user: Any) -> MemberActor:
    return MemberActor(host, guild, user)


def _bot_role(guild: GuildHandle) -> RoleHandle:
    return guild.roles[BOT_NAME]


def _without(
    guild: GuildHandle, role: RoleHandle, name: str, **denied: bool | None
) -> ChannelHandle:
    topic = f"Here the bot may not {' or '.join(denied).replace('_', ' ')}."
    overwrite = discord.PermissionOverwrite(**denied)
    return guild.create_text_channel(name, overwrites={role: overwrite}, topic=topic)
