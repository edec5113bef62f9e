"""Questions about the world that its public face answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import discord
from simcord.backend import serializers
from simcord.backend.models import Message

from bot.sandbox.simcord_host import Host

MESSAGE_COMPONENT, MODAL_SUBMIT = 3, 5


def channel_of(host: Host, path: str) -> int | None:
    """The channel that a call is about, whether it names it or an interaction's token."""
    parts = path.strip("/").split("/")
    with contextlib.suppress(ValueError, IndexError):
        if parts[0] == "channels":
            return int(parts[1])
        if parts[0] == "interactions":
            record = host.backend.interactions.get(int(parts[1]))
            return record.channel_id if record else None
        if parts[0] == "webhooks":
            found = host.backend.interaction_tokens.get(parts[2])
            return host.backend.interactions[found].channel_id if found else None
    return None


def guild_of(host: Host, channel_id: int | None) -> int | None:
    """The guild of a channel."""
    channel = host.backend.channels.get(channel_id) if channel_id is not None else None
    return channel.guild_id if channel is not None else None


def bot_may(host: Host, channel_id: int, permission: str) -> bool:
    """Whether the bot has a permission in a channel."""
    channel = host.backend.channels.get(channel_id)
    if channel is None or channel.guild_id is None:
        return True
    bits = host.backend.compute_permissions(channel.guild_id, host.backend.bot_user.id, channel.id)
    return bool(getattr(discord.Permissions(bits), permission))


def expire_tokens(host: Host, interaction_id: int | None) -> int:
    """Let the tokens of all interactions, or of one, be 15 minutes old."""
    now = host.backend.now_iso()
    records = host.backend.interactions.values()
    dying = [one for one in records if interaction_id in (None, one.id)]
    for record in dying:
        record.expires_at = now
    return len(dying)


def stored_messages(host: Host, channel_id: int) -> Iterator[Message]:
    """A channel's messages, oldest first."""
    for _id, message in sorted(host.backend.messages.get(channel_id, {}).items()):
        yield message


def story_of(host: Host, interaction_id: int) -> dict[str, Any]:
    """What the metadata of an answer says of the message or the modal that led to it."""
    records = host.backend.interactions
    record = records.get(interaction_id)
    if record is None:
        return {}
    if record.type == MESSAGE_COMPONENT and record.source_message_id is not None:
        return {"interacted_message_id": str(record.source_message_id)}
    if record.type != MODAL_SUBMIT:
        return {}
    openers = [
        one.id
        for one in records.values()
        if one.modal_consumed and one.user_id == record.user_id and one.id < record.id
    ]
    if not openers:
        return {}
    opener = records[max(openers)]
    user = serializers.user_payload(host.backend.users[opener.user_id])
    metadata = {
        "id": str(opener.id),
        "type": int(opener.type),
        "user": dict(user),
        "authorizing_integration_owners": {},
    }
    return {"triggering_interaction_metadata": metadata | story_of(host, opener.id)}
