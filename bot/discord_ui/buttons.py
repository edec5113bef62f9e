"""The buttons under a card. Each carries only an action and a job's id; it outlives restarts."""

import contextlib
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.discord_ui.acknowledge import in_time
from bot.discord_ui.modals import (
    edit_modal,
    paint_modal,
    source_modal,
    upscale_modal,
    variations_modal,
)
from bot.discord_ui.translate import told
from bot.discord_ui.wish import (
    laddered,
    repeated,
    rerolled,
    rung,
    stronger,
    upscaled,
    varied,
    weaker,
)
from bot.model import OriginKind

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest
    from bot.discord_ui.onward import Change


class Action(StrEnum):
    """What a button does to the job that it names; DESCRIBED names an offer instead."""

    REROLL = "reroll"
    WEAKER = "weaker"
    STRONGER = "stronger"
    EDIT = "edit"
    SOURCE = "source"
    DELETE = "delete"
    CANCEL = "cancel"
    COMPARE = "compare"
    LADDER = "ladder"
    RUNG = "rung"
    UPSCALE = "upscale"
    VARIATIONS = "variations"
    PAINT = "paint"
    AGAIN = "again"
    DESCRIBED = "described"


LOOKS: dict[Action, tuple[str, str | None]] = {
    Action.REROLL: ("🎲", None),
    Action.WEAKER: ("💪", "−"),
    Action.STRONGER: ("💪", "+"),
    Action.EDIT: ("✏️", None),
    Action.SOURCE: ("🔁", None),
    Action.DELETE: ("🗑️", None),
    Action.CANCEL: ("✖️", "Cancel"),
    Action.COMPARE: ("⚖️", None),
    Action.LADDER: ("🪜", None),
    Action.RUNG: ("🎨", None),
    Action.UPSCALE: ("⬆️", None),
    Action.VARIATIONS: ("🎭", None),
    Action.PAINT: ("🖌️", None),
    Action.AGAIN: ("▶️", "Run it again"),
    Action.DESCRIBED: ("▶️", "Run it over this picture"),
}


BUTTON_ID = re.compile(r"palimpsest:(?P<action>[a-z]+):(?P<job>\d+)(?::(?P<index>\d+))?")


class JobButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=BUTTON_ID):
    """One button of one job.

    index: which of its pictures, for a RUNG. label: instead of the action's own.
    """

    def __init__(
        self, action: Action, job_id: int, index: int | None = None, label: str | None = None
    ) -> None:
        emoji, own_label = LOOKS[action]
        which = "" if index is None else f":{index}"
        super().__init__(
            discord.ui.Button(
                style=discord.ButtonStyle.secondary,
                emoji=emoji,
                label=label or own_label,
                custom_id=f"palimpsest:{action}:{job_id}{which}",
            )
        )
        self.action = action
        self.job_id = job_id
        self.index = index

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],
        item: discord.ui.Item[Any],
        match: re.Match[str],
        /,
    ) -> Self:
        """The button that was pressed."""
        index = None if match["index"] is None else int(match["index"])
        return cls(Action(match["action"]), int(match["job"]), index)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Does what the button says; whatever goes wrong is told privately."""
        async with told(interaction, doing=f"button {self.custom_id}"):
            await self._press(interaction)

    async def _press(self, interaction: "discord.Interaction[Palimpsest]") -> None:
        flows = interaction.client.flows
        match self.action:
            case Action.REROLL | Action.WEAKER | Action.STRONGER | Action.LADDER:
                change = CHANGES[self.action]
                await flows.child(interaction, self.job_id, change, kind=OriginKind.BUTTON)
            case Action.RUNG:
                change = rung(self.index or 0)
                await flows.child(interaction, self.job_id, change, kind=OriginKind.BUTTON)
            case Action.EDIT:
                # A form must be the first answer, so there is no deferring here.
                job = await flows.usable(interaction, self.job_id)
                await interaction.response.send_modal(edit_modal(job))
            case Action.SOURCE:
                job = await flows.usable(interaction, self.job_id)
                policy = await flows.policy_here(interaction)
                await interaction.response.send_modal(source_modal(job, policy))
            case Action.PAINT:
                job = await flows.usable(interaction, self.job_id)
                policy = await flows.policy_here(interaction)
                await interaction.response.send_modal(paint_modal(job, policy))
            case Action.UPSCALE | Action.VARIATIONS:
                await self._go_on(interaction)
            case Action.COMPARE:
                job = await flows.usable(interaction, self.job_id)
                await interaction.client.comparer.job(interaction, job)
            case Action.AGAIN:
                await flows.child(
                    interaction, self.job_id, repeated, kind=OriginKind.BUTTON, anybody=True
                )
            case Action.DESCRIBED:
                described = interaction.client.described.get(self.job_id)
                await flows.fresh(
                    interaction,
                    described.wish,
                    kind=OriginKind.BUTTON,
                    url=described.picture.url,
                    model=described.model,
                )
            case Action.CANCEL:
                await in_time(interaction, flows.cancel(interaction, self.job_id), update=True)
                await _quietly_acknowledge(interaction)  # Delivery shows it in the card
            case Action.DELETE:
                await in_time(interaction, flows.delete(interaction, self.job_id), update=True)
                await _quietly_acknowledge(interaction)
                with contextlib.suppress(discord.NotFound):  # somebody was faster
                    await interaction.delete_original_response()

    async def _go_on(self, interaction: "discord.Interaction[Palimpsest]") -> None:
        """From the one picture there is at once, else from the one that a form asks for."""
        flows, larger = interaction.client.flows, self.action is Action.UPSCALE
        job = await flows.usable(interaction, self.job_id)
        if len(job.results) > 1:
            form = upscale_modal(job) if larger else variations_modal(job)
            await interaction.response.send_modal(form)
            return
        await flows.child(
            interaction,
            self.job_id,
            upscaled if larger else varied(0),
            kind=OriginKind.BUTTON,
            result=0 if larger else None,
        )


async def _quietly_acknowledge(interaction: discord.Interaction[Any]) -> None:
    if not interaction.response.is_done():
        await interaction.response.defer()


CHANGES: "dict[Action, Change]" = {
    Action.REROLL: rerolled,
    Action.WEAKER: weaker,
    Action.STRONGER: stronger,
    Action.LADDER: laddered,
}
