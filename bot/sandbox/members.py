"""People who do what a script tells them, as a Discord client would let them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcord.actors import MemberActor
from simcord.backend.models import Interaction as Record
from simcord.builders import ChannelHandle
from simcord.results import InteractionResult

from bot.sandbox import simcord_host
from bot.sandbox.posts import Modal, Post, modal_of

if TYPE_CHECKING:
    from bot.sandbox.server import Sandbox

FILE_UPLOAD, TEXT_INPUT, STRING_SELECT, RADIO_GROUP, CHECKBOX = 19, 4, 3, 21, 23
ACKNOWLEDGE_SECONDS = 3.0

Picture = Path | tuple[str, bytes] | tuple[bytes, str]
"""A file to attach: a path, or its name and bytes in either order."""


def upload(picture: Picture) -> tuple[str, bytes]:
    """Name and bytes of a file, however it was given."""
    if isinstance(picture, Path):
        return picture.name, picture.read_bytes()
    first, second = picture
    if isinstance(first, bytes):
        assert isinstance(second, str)
        return second, first
    assert isinstance(second, bytes)
    return first, second


def _option(value: Any) -> Any:
    is_file = isinstance(value, tuple) and any(isinstance(one, bytes) for one in value)
    return upload(value) if isinstance(value, Path) or is_file else value


class Interaction:
    """What a member began, and what the bot makes of it as time passes."""

    def __init__(self, sandbox: Sandbox, record: Record, result: InteractionResult | None) -> None:
        self._sandbox = sandbox
        self.record = record
        self.result = result
        self.id = record.id
        self.began = time.time()

    def __repr__(self) -> str:
        return f"<Interaction {self.id} {self.record.response_kind}>"

    @property
    def acknowledged(self) -> bool:
        """Whether the bot has answered at all, be it with a deferral."""
        return bool(self.record.responded)

    @property
    def kind(self) -> str | None:
        """``message``, ``deferred``, ``deferred_update``, ``update``, ``modal``, …"""
        return None if self.record.response_kind is None else str(self.record.response_kind)

    @property
    def post(self) -> Post | None:
        """The response as it stands; None if there is none, or if it is gone."""
        if self.record.message_id is None:
            return None
        return self._sandbox.find(self.record.message_id)

    @property
    def followups(self) -> list[Post]:
        """Further messages that the bot sent by this interaction's token."""
        posts = [self._sandbox.find(one) for one in self.record.followup_ids]
        return [one for one in posts if one is not None]

    async def ack(self, timeout: float = ACKNOWLEDGE_SECONDS) -> Interaction:
        """Wait for the acknowledgement, no longer than Discord does."""
        await self._sandbox.until(lambda: self.acknowledged, timeout, f"{self} acknowledged")
        return self

    async def modal(self, timeout: float = ACKNOWLEDGE_SECONDS) -> Modal:
        """Wait for the modal that the bot answers with."""
        payload = await self._sandbox.until(
            lambda: self.record.modal, timeout, f"{self} opens a modal"
        )
        return modal_of(payload)

    async def response(self, timeout: float = 30.0) -> Post:
        """The response, once it says something: a deferred one when it is first edited."""
        return await self.wait_for(lambda post: not post.loading, timeout)

    async def wait_for(self, predicate: Callable[[Post], object], timeout: float = 30.0) -> Post:
        """The response, as soon as it satisfies ``predicate``."""

        seen: Post | None = None

        def find() -> Post | None:
            nonlocal seen
            seen, previous = self.post, seen
            changed = seen is not None and seen is not previous
            return seen if changed and seen is not None and predicate(seen) else None

        return await self._sandbox.until(find, timeout, f"{self} answered; stands at {self.post}")


class Member:
    """A person in one guild. No action waits for the bot; what it returns can be waited for."""

    def __init__(self, sandbox: Sandbox, actor: MemberActor) -> None:
        self._sandbox = sandbox
        self._actor = actor
        self.id = actor.id
        self.name = actor.name
        self.guild_id = actor.guild.id

    def __repr__(self) -> str:
        return f"<Member {self.name} of {self._actor.guild.name}>"

    def _channel(self, channel: ChannelHandle | str) -> ChannelHandle:
        return self._sandbox.world.channel(channel) if isinstance(channel, str) else channel

    def _began(self, result: InteractionResult) -> Interaction:
        return Interaction(self._sandbox, simcord_host.interaction_of(result), result)

    def _shown(self, post: Post) -> Any:
        return simcord_host.shown(self._sandbox.host, post.channel_id, post.id)

    async def slash(
        self, channel: ChannelHandle | str, command: str, /, **options: Any
    ) -> Interaction:
        """``await ada.slash("studio", "reimagine", image=Path("cat.png"), prompt="ink")``."""
        values = {name: _option(value) for name, value in options.items()}
        return self._began(await self._actor.slash(self._channel(channel), command, **values))

    async def autocomplete(
        self, channel: ChannelHandle | str, command: str, option: str, text: str, /, **filled: Any
    ) -> list[dict[str, Any]]:
        """Type ``text`` into an option; the choices that the bot offers."""
        record = await simcord_host.autocomplete(
            self._actor,
            self._channel(channel),
            command=command,
            option=option,
            text=text,
            filled=filled,
        )
        await self._sandbox.until(lambda: record.responded, ACKNOWLEDGE_SECONDS, "autocomplete")
        return list(record.autocomplete_choices or [])

    async def menu(self, post: Post, name: str) -> Interaction:
        """Choose ``name`` from the Apps menu of a message."""
        channel = self._sandbox.channel_by_id(post.channel_id)
        return self._began(await self._actor.context_menu(channel, name, self._shown(post)))

    async def press(
        self,
        post: Post,
        *,
        custom_id: str | None = None,
        emoji: str | None = None,
        label: str | None = None,
    ) -> Interaction:
        """Press a button, found by how its custom_id begins, by its emoji, or by its label."""
        fresh = self._sandbox.find(post.id) or post
        button = fresh.button(custom_id=custom_id, emoji=emoji, label=label)
        shown = self._shown(post)
        return self._began(await self._actor.click(shown, custom_id=button.custom_id))

    async def select(
        self, post: Post, values: list[Any], *, custom_id: str | None = None
    ) -> Interaction:
        """Choose values in a select menu of a message."""
        shown = self._shown(post)
        return self._began(await self._actor.select(shown, values, custom_id=custom_id))

    async def submit(
        self, interaction: Interaction, values: Mapping[str, Any] | None = None
    ) -> Interaction:
        """Submit the modal that ``interaction`` opened.

        ``values`` go by custom_id or by label; a file control takes one picture or a list. What is
        not named is left as it was prefilled.
        """
        modal = await interaction.modal()
        filled: dict[str, Any] = {}
        for one in modal.fields:
            if one.type == TEXT_INPUT:
                filled[one.custom_id] = one.value
            elif one.type in (STRING_SELECT, RADIO_GROUP):
                chosen = [o["value"] for o in one.raw.get("options") or [] if o.get("default")]
                if chosen:
                    filled[one.custom_id] = chosen if one.type == STRING_SELECT else chosen[0]
        for name, value in (values or {}).items():
            target = modal.field(name)
            if target.type == FILE_UPLOAD:
                many = value if isinstance(value, list) else [value]
                filled[target.custom_id] = [upload(one) for one in many]
            else:
                filled[target.custom_id] = value
        assert interaction.result is not None
        return self._began(await self._actor.submit_modal(interaction.result, filled))

    async def send(
        self,
        channel: ChannelHandle | str,
        content: str = "",
        *,
        files: list[Picture] | None = None,
        reply_to: Post | None = None,
    ) -> Post:
        """Write a message, with files if need be."""
        sent = await self._actor.send(
            self._channel(channel),
            content,
            attachments=[upload(one) for one in files or []],
            reply_to=self._shown(reply_to) if reply_to is not None else None,
        )
        found = self._sandbox.find(sent.id)
        assert found is not None
        return found

    async def react(self, post: Post, emoji: str) -> None:
        """Add a reaction."""
        await self._actor.react(self._shown(post), emoji)

    async def unreact(self, post: Post, emoji: str) -> None:
        """Take it back."""
        await self._actor.unreact(self._shown(post), emoji)

    async def delete(self, post: Post) -> None:
        """Delete a message: one's own, or another's with Manage Messages."""
        await self._actor.delete(self._shown(post))

    def commands(self, channel: ChannelHandle | str) -> tuple[str, ...]:
        """The slash commands that this member is offered in a channel."""
        return tuple(self._actor.available_commands(self._channel(channel)))

    def sees(self, channel: ChannelHandle | str) -> list[Post]:
        """A channel as this member sees it, without others' ephemeral messages."""
        posts = self._sandbox.posts(self._channel(channel))
        return [one for one in posts if not one.ephemeral or one.for_user == self.id]
