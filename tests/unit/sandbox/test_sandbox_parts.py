"""The sandbox's parts, without a bot."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import simcord

from bot.sandbox import limits, simcord_host, weather, wire
from bot.sandbox.calls import Call, UploadedFile
from bot.sandbox.changes import Changes
from bot.sandbox.members import upload
from bot.sandbox.posts import modal_of
from bot.sandbox.server import Sandbox

CREATE = "/channels/{channel_id}/messages"


async def test_a_wait_is_woken_by_a_change_and_tells_what_it_waited_for() -> None:
    changes, seen = Changes(), []
    waiting = asyncio.create_task(changes.until(lambda: seen, 5, "something seen"))
    await asyncio.sleep(0)
    seen.append(1)
    changes.announce()
    assert await waiting == [1]
    with pytest.raises(TimeoutError, match="never seen"):
        await changes.until(lambda: None, 0.01, "never seen")


async def test_the_world_is_the_same_every_time() -> None:
    first, second = Sandbox(), Sandbox()
    assert first.world.atelier.id == second.world.atelier.id
    assert first.world.channel("studio").id == second.world.channel("#studio").id
    assert first.member("jun").id == second.member("jun", "salon").id
    with pytest.raises(KeyError):
        first.world.channel("nowhere")


def test_signed_addresses_expire_and_cannot_be_moved() -> None:
    addresses = wire.SignedAddresses(lifetime=60)
    addresses.base = "http://127.0.0.1:1"
    plain = addresses.address(1, 2, "a cat.png")
    assert plain.endswith("/attachments/1/2/a%20cat.png")
    signed = urlsplit(addresses.sign(plain))
    assert addresses.is_valid(signed.path, signed.query)
    assert not addresses.is_valid("/attachments/1/3/a%20cat.png", signed.query)
    assert not addresses.is_valid(signed.path, "")
    assert addresses.sign(addresses.sign(plain)).count("?") == 1
    addresses.lifetime = -1
    expired = urlsplit(addresses.sign(plain))
    assert not addresses.is_valid(expired.path, expired.query)


def test_payloads_get_what_simcord_lacks() -> None:
    addresses = wire.SignedAddresses(lifetime=60)
    addresses.base = "http://127.0.0.1:1"
    polish = wire.Polish(addresses)
    polish.tiers[7] = 2
    polish.age_restricted.add(9)
    payload: dict[str, Any] = {
        "guild_id": "7",
        "attachment_size_limit": 1,
        "channel": {"id": "9", "rate_limit_per_user": 0},
        "items": [{"url": addresses.address(1, 2, "a.png")}, {"url": "https://example.com/"}],
    }
    polished = polish(payload)
    assert polished["attachment_size_limit"] == 50 * wire.MIB
    assert polished["channel"]["nsfw"] is True
    assert "hm=" in polished["items"][0]["url"]
    assert polished["items"][1]["url"] == "https://example.com/"
    assert payload["attachment_size_limit"] == 1
    assert polish({"id": "7", "premium_tier": 0})["premium_tier"] == 2


def test_buckets_are_per_channel_and_refill(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rates = limits.RateLimits()
    for left in (4, 3, 2, 1, 0):
        verdict = rates.ask("POST", CREATE, "/channels/1/messages")
        assert verdict.headers["X-RateLimit-Remaining"] == str(left)
        assert not verdict.retry_after
    refused = rates.ask("POST", CREATE, "/channels/1/messages")
    assert refused.retry_after == 5.0
    assert refused.headers["Via"]
    assert refused.headers["Retry-After"] == "5"
    assert not rates.ask("POST", CREATE, "/channels/2/messages").retry_after
    now += 5
    assert not rates.ask("POST", CREATE, "/channels/1/messages").retry_after


def test_the_global_limit_spares_interactions() -> None:
    rates = limits.RateLimits()
    verdicts = [rates.ask("GET", "/x/{id}", f"/x/{number}") for number in range(51)]
    assert [one.everywhere for one in verdicts[-2:]] == [False, True]
    assert verdicts[-1].headers["X-RateLimit-Global"] == "true"
    assert not rates.ask("POST", limits.UNLIMITED, "/interactions/1/t/callback").retry_after
    hook = "/webhooks/{webhook_id}/{token}"
    assert not rates.ask("POST", hook, "/webhooks/1/token").retry_after


async def test_the_rules_object_as_discord_does() -> None:
    sandbox = Sandbox()
    rules = limits.Rules(sandbox.host, sandbox.polish)
    studio, closed = sandbox.world.channel("studio").id, sandbox.world.channel("no-uploads").id

    def ask(channel_id: int, count: int = 1, size: int = 1, **body: Any) -> tuple[int, int] | None:
        files = tuple(UploadedFile(filename=f"{n}", data=bytes(size)) for n in range(count))
        path = f"/channels/{channel_id}/messages"
        found = rules.object_to(Call(method="POST", path=path, json=body, files=files))
        return None if found is None else (found.status, found.body["code"])

    assert ask(studio) is None
    assert ask(studio, count=11) == (400, 50035)
    assert ask(studio, count=10, attachments=[{"id": "1234567890123456789"}]) == (400, 50035)
    assert ask(studio, size=10 * wire.MIB + 1) == (413, 40005)
    assert ask(sandbox.world.channel("atrium").id, size=10 * wire.MIB + 1) is None
    assert ask(closed) == (403, 50013)
    assert ask(closed, count=0) is None
    assert ask(studio, nonce="n" * 26) == (400, 50035)
    many = [{"type": 17, "components": [{"type": 10, "content": "x"}] * 40}]
    assert ask(studio, components=many) == (400, 50035)


def test_routes_are_named_by_their_most_literal_template() -> None:
    original = "/webhooks/{webhook_id}/{token}/messages/@original"
    assert simcord_host.route_of("PATCH", "/webhooks/1/t/messages/@original") == original
    assert simcord_host.route_of("POST", "/channels/5/messages") == CREATE
    assert simcord_host.route_of("GET", "/nowhere/5") == "/nowhere/5"


def test_weather_is_read_from_a_flag() -> None:
    flag = "slow route='PATCH *' seconds=2.5 times=5; drop-gateway after_seconds=20;"
    assert weather.parse(flag) == [
        ("slow", {"route": "PATCH *", "seconds": 2.5, "times": 5}),
        ("drop-gateway", {"after_seconds": 20}),
    ]
    assert weather.parse("fail after=true") == [("fail", {"after": True})]
    assert weather.parse("") == []


async def test_unknown_weather_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="stall_attachment"):
        await Sandbox().weather.apply("hail", {})


async def test_weather_can_be_put_off() -> None:
    sandbox = Sandbox()
    await sandbox.weather.apply("refuse-resume", {"times": 3, "after_seconds": 0.01})
    assert sandbox.gateway.refuse_resumes == 0
    await asyncio.sleep(0.05)
    assert sandbox.gateway.refuse_resumes == 3
    sandbox.weather.clear()
    assert sandbox.gateway.refuse_resumes == 0


def test_trouble_takes_templates_patterns_and_methods() -> None:
    call = Call(method="POST", path="/channels/5/messages")
    for route in ("POST " + CREATE, "* /channels/*/messages", "* *", "POST /channels/5/*"):
        assert weather.Trouble("fail", route, 1).matches(call, CREATE), route
    for route in ("PATCH *", "POST /webhooks/*"):
        assert not weather.Trouble("fail", route, 1).matches(call, CREATE), route


def test_a_modal_is_read_with_its_labels_and_prefilled_values() -> None:
    control = {"type": 4, "custom_id": "p", "value": "ink", "required": False}
    label = {"type": 18, "label": "Prompt", "description": "what to paint", "component": control}
    modal = modal_of({"custom_id": "m", "title": "Edit", "components": [label]})
    assert modal.field("prompt") is modal.field("p")
    assert modal.field("p").value == "ink"
    assert not modal.field("p").required
    with pytest.raises(LookupError, match="Prompt"):
        modal.field("seed")


def test_a_picture_to_attach_comes_in_any_form(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    assert upload(path) == upload(("a.png", b"x")) == upload((b"x", "a.png")) == ("a.png", b"x")


def test_the_pages_script_is_the_one_that_the_changes_were_made_for() -> None:
    static = Path(simcord.__file__).parent / "preview" / "static" / "timeline.js"
    script = static.read_text(encoding="utf-8")
    for old, _new in simcord_host.FOLLOW:
        assert script.count(old) == 1
    assert simcord_host.patched(script) != script


def test_what_is_not_a_picture_has_no_size() -> None:
    assert wire.measure(b"<svg/>") is None
    assert wire.measure(b"") is None
