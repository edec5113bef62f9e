"""What SimCord's payloads lack, added where they leave: boosts, age limits, signed addresses."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import warnings
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from PIL import Image

from bot.sandbox import contract

MIB = 1024 * 1024
UPLOAD_LIMITS = {0: 10 * MIB, 1: 10 * MIB, 2: 50 * MIB, 3: 100 * MIB}
"""What a bot may upload, by the guild's boost tier."""


class SignedAddresses:
    """Attachment addresses that expire, as Discord's do: ``?ex=…&is=…&hm=…``."""

    def __init__(self, lifetime: float) -> None:
        self.base = ""
        self.lifetime = lifetime
        self._secret = secrets.token_bytes(32)

    def address(self, channel_id: int, attachment_id: int, filename: str) -> str:
        """Where an attachment is, unsigned."""
        return f"{self.base}/attachments/{channel_id}/{attachment_id}/{quote(filename)}"

    def _mac(self, path: str, expires: str, issued: str) -> str:
        return hmac.new(
            self._secret, f"{path}|{expires}|{issued}".encode(), hashlib.sha256
        ).hexdigest()

    def sign(self, url: str) -> str:
        """Make an address good from now on, for a while."""
        plain = url.partition("?")[0]
        now = time.time()
        expires, issued = f"{int(now + self.lifetime):x}", f"{int(now):x}"
        mac = self._mac(urlsplit(plain).path, expires, issued)
        return f"{plain}?ex={expires}&is={issued}&hm={mac}&"

    def is_valid(self, raw_path: str, query: str) -> bool:
        """Whether it is signed for this path, by us, and not too long ago."""
        values = {name: found[0] for name, found in parse_qs(query).items()}
        expires, issued = values.get("ex", ""), values.get("is", "")
        expected = self._mac(raw_path, expires, issued)
        if not hmac.compare_digest(expected, values.get("hm", "")):
            return False
        return int(expires, 16) > time.time()

    def expire_all(self) -> None:
        """Every address signed until now is dead."""
        self._secret = secrets.token_bytes(32)


class Polish:
    """Adds to an outgoing payload what SimCord does not model."""

    def __init__(self, addresses: SignedAddresses) -> None:
        self.addresses = addresses
        self.tiers: dict[int, int] = {}
        self.age_restricted: set[int] = set()
        self.story: contract.Story = lambda _interaction_id: {}

    def upload_limit(self, guild_id: int | None) -> int:
        """How large a file the bot may upload there, in bytes."""
        return UPLOAD_LIMITS[self.tiers.get(guild_id or 0, 0)]

    def __call__(self, payload: Any) -> Any:
        """A copy of a payload, complete."""
        if isinstance(payload, Mapping):
            return self._object({key: self(value) for key, value in payload.items()})
        if isinstance(payload, list | tuple):
            return [self(value) for value in payload]
        return payload

    def _object(self, one: dict[str, Any]) -> dict[str, Any]:
        contract.complete(one, self.story)
        for key in ("url", "proxy_url"):
            value = one.get(key)
            if isinstance(value, str) and value.startswith(f"{self.addresses.base}/attachments/"):
                one[key] = self.addresses.sign(value)
        if "attachment_size_limit" in one:
            guild = one.get("guild_id")
            one["attachment_size_limit"] = self.upload_limit(int(guild) if guild else None)
        if "premium_tier" in one:
            one["premium_tier"] = self.tiers.get(int(one["id"]), 0)
            one["premium_subscription_count"] = (0, 2, 7, 14)[one["premium_tier"]]
        if "rate_limit_per_user" in one and "id" in one:
            one["nsfw"] = int(one["id"]) in self.age_restricted
        return one


def measure(data: bytes) -> tuple[int, int] | None:
    """A picture's size in pixels from its header, as Discord tells it; None for other files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(data)) as picture:
                return picture.size
        except Exception:  # whatever a decoder makes of hostile bytes, it is not a picture
            return None
