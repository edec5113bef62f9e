"""Discord's published contract, asked whether a recorded request and its answer are valid by it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from bot.sandbox.front import Request

ROOT = Path(__file__).resolve().parents[3]
PLACES = [one / "shared" / "data" / "discord-openapi.json" for one in (ROOT, ROOT.parent)]
CONTRACT = next((one for one in PLACES if one.exists()), None)

EXCEPTIONS = (
    # discord.py numbers new files with integers, which Discord takes.
    re.compile(r"attachments/\d+/id: \d+ is not of type 'string'"),
    # discord.py writes the ids of a reply's target as integers, which Discord takes.
    re.compile(r"message_reference/(channel|message|guild)_id: \d+ is not of type 'string'"),
    # Where a forum may be chosen, discord.py allows a media channel (16) too, which Discord has
    # and the published list of channel types has not.
    re.compile(r"channel_types/\d+: 1 was expected"),
)


class Contract:
    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        self._components = document["components"]
        self._paths = {_blank(name): item for name, item in document["paths"].items()}

    def complaints(self, requests: Iterable[Request]) -> list[str]:
        """What is wrong with requests of the bot and answers of the sandbox, each thing once."""
        found: dict[str, None] = {}
        for request in requests:
            where = f"{request.method} {request.route}"
            for complaint in self._about(request):
                if not any(one.search(complaint) for one in EXCEPTIONS):
                    found[f"{where}: {complaint}"] = None
        return list(found)

    def _about(self, request: Request) -> Iterator[str]:
        item = self._paths.get(_blank(request.route), {}).get(request.method.lower())
        if item is None:
            yield "there is no such call"
            return
        if request.json is not None:
            content = item["requestBody"]["content"]
            kind = "multipart/form-data" if request.files else "application/json"
            schema = content.get(kind, content["application/json"])["schema"]
            yield from (f"sent {one}" for one in self._check(schema, request.json))
        if request.status in (429, *range(500, 600)):
            return
        wanted = "4XX" if 400 <= request.status < 500 else str(request.status)
        answer = item["responses"].get(wanted)
        if answer is None:
            yield f"the answer {request.status} is not foreseen"
        elif "content" in answer:
            schema = answer["content"]["application/json"]["schema"]
            yield from (f"answered {one}" for one in self._check(schema, request.response))

    def _check(self, schema: dict[str, Any], value: Any) -> Iterator[str]:
        validator = Draft202012Validator({**schema, "components": self._components})
        for error in validator.iter_errors(value):
            for leaf in _leaves(error):
                yield f"{'/'.join(map(str, leaf.absolute_path))}: {leaf.message[:200]}"


def _blank(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors that matter: of the alternative that was meant, judging by ``type``."""
    if error.validator not in ("oneOf", "anyOf") or not error.context:
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for one in error.context:
        branches.setdefault(one.schema_path[0], []).append(one)

    def distance(branch: list[ValidationError]) -> tuple[bool, bool, int]:
        other_kind = any(list(one.relative_path) == ["type"] for one in branch)
        only_null = any(
            one.validator == "type" and one.validator_value == "null" and not one.relative_path
            for one in branch
        )
        return other_kind, only_null, len(branch)

    for one in min(branches.values(), key=distance):
        yield from _leaves(one)
