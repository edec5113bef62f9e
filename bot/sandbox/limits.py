"""What Discord refuses and SimCord lets through: uploads, nonces, and the two rate limits."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox import lookups, simcord_host
from bot.sandbox.calls import Answer, Call
from bot.sandbox.simcord_host import Host
from bot.sandbox.wire import Polish

MOST_FILES = 10
MOST_COMPONENTS = 40
MOST_CHOICES = 25
NONCE_MEMORY_SECONDS = 5 * 60
GLOBAL_PER_SECOND = 50

BUCKETS: Mapping[tuple[str, str], tuple[int, float]] = {
    ("POST", "/channels/{channel_id}/messages"): (5, 5.0),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 5.0),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (5, 1.0),
    ("GET", "/channels/{channel_id}/messages/{message_id}"): (5, 1.0),
    ("PUT", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"): (1, 0.25),
    ("POST", "/webhooks/{webhook_id}/{token}"): (5, 2.0),
    ("PATCH", "/webhooks/{webhook_id}/{token}/messages/@original"): (5, 2.0),
    ("PATCH", "/webhooks/{webhook_id}/{token}/messages/{message_id}"): (5, 2.0),
}
"""How many calls in how many seconds, per channel or token. Near Discord's; Discord may change
its own at any time and tells a client only by the headers."""

DEFAULT_BUCKET = (20, 1.0)
UNLIMITED = "/interactions/{interaction_id}/{token}/callback"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rate limit says to one call: the headers, and how long to wait if it is refused."""

    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float = 0.0
    everywhere: bool = False


class _Window:
    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.left, self.ends = limit, 0.0

    def take(self, now: float) -> bool:
        if now >= self.ends:
            self.left, self.ends = self.limit, now + self.seconds
        if self.left == 0:
            return False
        self.left -= 1
        return True


class RateLimits:
    """Per-route buckets and the global one. Interaction endpoints are outside the global one."""

    def __init__(self) -> None:
        self.enabled = True
        self._windows: dict[str, _Window] = {}
        self._global = _Window(GLOBAL_PER_SECOND, 1.0)

    def ask(self, method: str, route: str, path: str) -> Verdict:
        """Count one call, and say whether it is one too many."""
        if not self.enabled or route == UNLIMITED:
            return Verdict()
        now = time.monotonic()
        if not path.startswith("/webhooks/") and not self._global.take(now):
            wait = self._global.ends - now
            return Verdict(headers=refusal(wait, "global"), retry_after=wait, everywhere=True)
        limit, seconds = BUCKETS.get((method, route), DEFAULT_BUCKET)
        bucket = hashlib.md5(f"{method} {route}".encode(), usedforsecurity=False).hexdigest()
        if len(self._windows) > 5000:
            self._windows = {k: w for k, w in self._windows.items() if w.ends > now}
        key = f"{bucket}:{_major(path)}"
        window = self._windows.setdefault(key, _Window(limit, seconds))
        taken = window.take(now)
        wait = window.ends - now
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(window.left),
            "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
            "X-RateLimit-Reset-After": f"{wait:.3f}",
            "X-RateLimit-Bucket": bucket,
        }
        if taken:
            return Verdict(headers=headers)
        return Verdict(headers=headers | refusal(wait, "user"), retry_after=wait)


def refusal(wait: float, scope: str) -> dict[str, str]:
    """The headers of a 429. Without ``Via``, discord.py takes it for a ban by Cloudflare."""
    headers = {
        "Retry-After": str(math.ceil(wait)),
        "X-RateLimit-Scope": scope,
        "Via": "1.1 sandbox",
    }
    return headers | ({"X-RateLimit-Global": "true"} if scope == "global" else {})


def too_many_requests(wait: float, *, everywhere: bool) -> Answer:
    """The body of a 429."""
    body = {"message": "You are being rate limited.", "retry_after": round(wait, 3)}
    return Answer(status=429, body=body | {"global": everywhere})


def _major(path: str) -> str:
    parts = path.strip("/").split("/")
    return "/".join(parts[:3] if parts[0] == "webhooks" else parts[:2])


def invalid_form(key: str, code: str, message: str) -> Answer:
    """Discord's 50035, with the field that is wrong."""
    errors = {key: {"_errors": [{"code": code, "message": message}]}}
    return Answer(
        status=400, body={"code": 50035, "message": "Invalid Form Body", "errors": errors}
    )


class Rules:
    """Asked before SimCord is. A rule that objects gives the answer instead."""

    def __init__(self, host: Host, polish: Polish) -> None:
        self.host = host
        self.polish = polish
        self._nonces: dict[tuple[int, str], tuple[float, int]] = {}

    def object_to(self, call: Call) -> Answer | None:
        """The answer to a call that may not reach SimCord; None if it may."""
        body = call.json if isinstance(call.json, dict) else {}
        if "/callback" in call.path:
            body = body.get("data") or {}
        return self._files(call, body) or self._form(body) or self._repeated(call, body)

    def _files(self, call: Call, body: Mapping[str, Any]) -> Answer | None:
        kept = [one for one in body.get("attachments") or [] if len(str(one.get("id"))) > 2]
        if call.files and len(kept) + len(call.files) > MOST_FILES:
            return invalid_form(
                "attachments", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_FILES} or fewer in length."
            )
        if not call.files:
            return None
        channel_id = lookups.channel_of(self.host, call.path)
        limit = self.polish.upload_limit(lookups.guild_of(self.host, channel_id))
        if any(len(one.data) > limit for one in call.files):
            return Answer(status=413, body={"code": 40005, "message": "Request entity too large"})
        if channel_id and not lookups.bot_may(self.host, channel_id, "attach_files"):
            return Answer(status=403, body={"code": 50013, "message": "Missing Permissions"})
        return None

    def _form(self, body: Mapping[str, Any]) -> Answer | None:
        if sum(1 for _ in _nested(body.get("components") or [])) > MOST_COMPONENTS:
            return invalid_form(
                "components",
                "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
                f"The total number of components cannot exceed {MOST_COMPONENTS}",
            )
        if len(body.get("choices") or []) > MOST_CHOICES:
            return invalid_form(
                "choices", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_CHOICES} or fewer in length."
            )
        if len(str(body.get("nonce") or "")) > 25:
            return invalid_form("nonce", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        return None

    def _repeated(self, call: Call, body: Mapping[str, Any]) -> Answer | None:
        """An enforced nonce that was used a moment ago: the message of then, and no second one."""
        key = self._nonce_key(call, body)
        if key is None or not body.get("enforce_nonce"):
            return None
        used, message_id = self._nonces.get(key, (-math.inf, 0))
        if time.monotonic() - used > NONCE_MEMORY_SECONDS:
            return None
        existing = simcord_host.message_json(self.host, key[0], message_id)
        return None if existing is None else Answer(status=200, body=existing)

    def remember(self, call: Call, answer: Answer) -> None:
        """Keep the nonce of a message that was just created."""
        body = call.json if isinstance(call.json, dict) else {}
        key = self._nonce_key(call, body)
        if key is not None and answer.status == 200 and isinstance(answer.body, dict):
            answer.body["nonce"] = body["nonce"]
            self._nonces[key] = (time.monotonic(), int(answer.body["id"]))

    def _nonce_key(self, call: Call, body: Mapping[str, Any]) -> tuple[int, str] | None:
        creates = call.method == "POST" and call.path.endswith("/messages")
        if not creates or body.get("nonce") is None:
            return None
        channel_id = lookups.channel_of(self.host, call.path)
        return None if channel_id is None else (channel_id, str(body["nonce"]))


def _nested(components: Any) -> Iterator[Mapping[str, Any]]:
    for one in components if isinstance(components, list) else [components]:
        if isinstance(one, Mapping):
            yield one
            for key in ("components", "accessory", "component"):
                if one.get(key):
                    yield from _nested(one[key])
