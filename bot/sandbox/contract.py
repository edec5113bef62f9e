"""Fields that Discord's published contract requires and SimCord leaves out, by the shape."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
Story = Callable[[int], Mapping[str, Any]]
"""Of an interaction's id: what its metadata must say of the interaction before it."""

GUILD: Json = {
    "home_header": None,
    "incidents_data": None,
    "max_stage_video_channel_users": 50,
    "max_video_channel_users": 25,
    "nsfw": False,
    "nsfw_level": 0,
    "region": "deprecated",
    "safety_alerts_channel_id": None,
    "widget_channel_id": None,
    "widget_enabled": False,
}
APPLICATION: Json = {
    "type": None,
    "flags_new": "0",
    "redirect_uris": [],
    "interactions_endpoint_url": None,
    "role_connections_verification_url": None,
    "approximate_guild_count": 2,
    "approximate_user_install_count": 0,
    "approximate_user_authorization_count": 0,
    "explicit_content_filter": 0,
    "eligible_oauth2_scopes": ["bot", "applications.commands"],
}
GUILD_INSTALL = 0
BUTTON, COMPONENT, MODAL_SUBMIT = 2, 3, 5


def complete(one: Json, story: Story) -> None:
    """Add to an outgoing object, in place, what is missing from it."""
    if "discriminator" in one:
        one.setdefault("primary_guild", None)
    if "roles" in one and "joined_at" in one:
        one.setdefault("banner", None)
    if "verify_key" in one:
        _default(one, APPLICATION)
    if "owner_id" in one and "premium_tier" in one:
        _default(one, GUILD)
    if "rate_limit_per_user" in one:
        one.setdefault("flags", 0)
    if "default_member_permissions" in one and "application_id" in one:
        one.setdefault("version", one["id"])
        bits = one["default_member_permissions"]  # a bot sends a number, Discord answers text
        one["default_member_permissions"] = None if bits is None else str(bits)
        if one.get("integration_types") is None:
            one["integration_types"] = [GUILD_INSTALL]
    if "proxy_url" in one and "filename" not in one:
        one.setdefault("id", str(one.get("attachment_id") or _stable_id(str(one["proxy_url"]))))
    if "authorizing_integration_owners" in one and "token" not in one:
        _default(one, story(int(one["id"])))
    for key in ("nonce", "response_message_id"):
        if key in one and one[key] is None:
            del one[key]
    emoji = one.get("emoji")
    if one.get("type") == BUTTON and isinstance(emoji, dict) and emoji.get("id", "") is None:
        del emoji["id"]


def _default(one: Json, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        one.setdefault(key, value)


def _stable_id(text: str) -> int:
    return (1 << 60) + zlib.crc32(text.encode())
