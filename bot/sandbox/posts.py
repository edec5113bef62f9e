"""Messages and modals as a person sees them, frozen at the moment of looking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simcord.components import walk_components

from bot.sandbox import simcord_host
from bot.sandbox.simcord_host import Host

EPHEMERAL, LOADING, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 15
BUTTON, TEXT_DISPLAY, THUMBNAIL, GALLERY, LABEL = 2, 10, 11, 12, 18


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file on a message, with its bytes."""

    id: int
    filename: str
    size: int
    content_type: str
    description: str | None
    url: str
    """Unsigned: for comparing, not for fetching."""
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Button:
    """A button on a message, wherever it is nested."""

    custom_id: str
    label: str
    emoji: str
    disabled: bool
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Post:
    """A message. ``raw`` holds the components as they stand on the wire."""

    id: int
    channel_id: int
    author_id: int
    author: str
    content: str
    flags: int
    components: list[dict[str, Any]] = field(repr=False)
    attachments: tuple[Attachment, ...]
    reactions: Mapping[str, tuple[int, ...]]
    edits: int
    edited_at: tuple[float, ...]
    """When it was edited, in seconds since the epoch."""
    reply_to: int | None
    interaction_id: int | None
    for_user: int | None
    """Who used the command or button that this message answers."""
    raw: dict[str, Any] = field(repr=False)

    @property
    def ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return bool(self.flags & EPHEMERAL)

    @property
    def loading(self) -> bool:
        """Whether it still says that the bot is thinking."""
        return bool(self.flags & LOADING)

    @property
    def text(self) -> str:
        """Everything that is written on it: the content and every text display."""
        texts = [c["content"] for c in walk_components(self.components) if c["type"] == 10]
        return "\n".join([*([self.content] if self.content else []), *texts])

    @property
    def buttons(self) -> tuple[Button, ...]:
        """Every button, in order."""
        return tuple(_buttons(self.components))

    @property
    def media(self) -> tuple[dict[str, Any], ...]:
        """The items of every gallery and every thumbnail, in order."""
        found: list[dict[str, Any]] = []
        for component in walk_components(self.components):
            if component["type"] == GALLERY:
                found += component.get("items") or []
            elif component["type"] == THUMBNAIL:
                found.append(component)
        return tuple(found)

    @property
    def gallery(self) -> tuple[dict[str, Any], ...]:
        """The items of every gallery, in order."""
        galleries = [c for c in walk_components(self.components) if c["type"] == GALLERY]
        return tuple(item for one in galleries for item in one.get("items") or [])

    def button(
        self, *, custom_id: str | None = None, emoji: str | None = None, label: str | None = None
    ) -> Button:
        """The one that fits, or an error that says which there are."""
        for one in self.buttons:
            if custom_id is not None and not one.custom_id.startswith(custom_id):
                continue
            if emoji is not None and one.emoji != emoji:
                continue
            if label is None or label.lower() in one.label.lower():
                return one
        offered = [f"{b.emoji}{b.label} ({b.custom_id})" for b in self.buttons]
        raise LookupError(f"no button {custom_id or emoji or label!r}; there is {offered}")


def _buttons(components: Any) -> Iterator[Button]:
    for component in walk_components(components):
        if component["type"] == BUTTON:
            yield Button(
                custom_id=component.get("custom_id") or "",
                label=component.get("label") or "",
                emoji=(component.get("emoji") or {}).get("name") or "",
                disabled=bool(component.get("disabled")),
                url=component.get("url") or "",
            )


@dataclass(frozen=True, kw_only=True)
class Field:
    """One control of a modal."""

    custom_id: str
    label: str
    description: str
    type: int
    required: bool
    value: str
    """What it is prefilled with."""
    options: tuple[str, ...]
    raw: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Modal:
    """A form that the bot opened for a member."""

    custom_id: str
    title: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """A control by its custom_id, or by what its label begins with."""
        for one in self.fields:
            if name == one.custom_id or one.label.lower().startswith(name.lower()):
                return one
        raise LookupError(f"no field {name!r}; there is {[f.label for f in self.fields]}")


def modal_of(payload: Mapping[str, Any]) -> Modal:
    """From the payload of the interaction callback."""
    fields: list[Field] = []
    labels: dict[int, Mapping[str, Any]] = {}
    for component in walk_components(payload.get("components") or []):
        if component["type"] == LABEL and isinstance(component.get("component"), dict):
            labels[id(component["component"])] = component
        elif "custom_id" in component:
            wrapper = labels.get(id(component), component)
            fields.append(
                Field(
                    custom_id=component["custom_id"],
                    label=wrapper.get("label") or "",
                    description=wrapper.get("description") or "",
                    type=component["type"],
                    required=bool(component.get("required", True)),
                    value=component.get("value") or "",
                    options=tuple(o["value"] for o in component.get("options") or []),
                    raw=component,
                )
            )
    return Modal(
        custom_id=payload["custom_id"], title=payload.get("title") or "", fields=tuple(fields)
    )


def post_of(host: Host, message: Any) -> Post:
    """From SimCord's stored message."""
    raw = simcord_host.message_json(host, message.channel_id, message.id) or {}
    metadata = message.interaction_metadata or {}
    user = metadata.get("user") or {}
    edited = host.backend.edits.get(message.id, [])
    reference = message.reference or {}
    return Post(
        id=message.id,
        channel_id=message.channel_id,
        author_id=message.author_id,
        author=raw["author"]["username"],
        content=message.content,
        flags=message.flags,
        components=list(raw["components"]),
        attachments=tuple(_attachments(host, message.attachments)),
        reactions={one.emoji: tuple(one.user_ids) for one in message.reactions},
        edits=len(edited),
        edited_at=tuple(edited),
        reply_to=int(reference["message_id"]) if "message_id" in reference else None,
        interaction_id=int(metadata["id"]) if "id" in metadata else None,
        for_user=int(user["id"]) if "id" in user else None,
        raw=raw,
    )


def _attachments(host: Host, stored: list[dict[str, Any]]) -> Iterator[Attachment]:
    for one in stored:
        found = simcord_host.attachment_bytes(host, int(one["id"]))
        yield Attachment(
            id=int(one["id"]),
            filename=one["filename"],
            size=one["size"],
            content_type=one.get("content_type") or "",
            description=one.get("description"),
            url=one["url"],
            data=found[2] if found is not None else b"",
        )
