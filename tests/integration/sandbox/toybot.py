"""A small bot that uses what the real one uses; the sandbox's tests run it in its own process."""

from __future__ import annotations

import asyncio
import io
import os
import re

import discord
import discord.gateway
import yarl
from discord import app_commands, ui

API = os.environ["DISCORD_API_URL"]
discord.http.Route.BASE = API
discord.asset.Asset.BASE = API.partition("/api/")[0]
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(
    API.partition("/api/")[0].replace("http", "ws") + "/gateway"
)

MODELS = ["pocket", "turbo", "grand"]


class Reroll(ui.DynamicItem[ui.Button[ui.LayoutView]], template=r"toy:reroll:(?P<job>\d+)"):
    """A button that works for ever, because all it knows is in its custom_id."""

    def __init__(self, job: int) -> None:
        self.job = job
        super().__init__(ui.Button(emoji="🎲", label="Reroll", custom_id=f"toy:reroll:{job}"))

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: ui.Item[ui.View], match: re.Match[str]
    ) -> Reroll:
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await asyncio.sleep(0.2)
        await interaction.edit_original_response(
            view=card(f"rerolled {self.job}", self.job + 1),
            attachments=[picture(b"again", "again.png")],
        )


class Edit(ui.DynamicItem[ui.Button[ui.LayoutView]], template=r"toy:edit:(?P<job>\d+)"):
    """Opens the modal."""

    def __init__(self, job: int) -> None:
        self.job = job
        super().__init__(ui.Button(emoji="✏️", custom_id=f"toy:edit:{job}"))

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: ui.Item[ui.View], match: re.Match[str]
    ) -> Edit:
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(EditModal())


class EditModal(ui.Modal, title="Edit the prompt"):
    prompt = ui.Label(text="Prompt", component=ui.TextInput(default="a quiet harbour"))
    image = ui.Label(text="Source", component=ui.FileUpload(required=False))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.prompt.component, ui.TextInput)
        assert isinstance(self.image.component, ui.FileUpload)
        names = [f"{one.filename}:{len(await one.read())}" for one in self.image.component.values]
        await interaction.response.send_message(
            f"edited to {self.prompt.component.value!r} with {names}", ephemeral=True
        )


def picture(data: bytes, name: str = "0.png") -> discord.File:
    return discord.File(io.BytesIO(data), name, description="what it shows")


def card(text: str, job: int, name: str = "again.png") -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    gallery = ui.MediaGallery(discord.MediaGalleryItem(f"attachment://{name}", description="alt"))
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow(Reroll(job), Edit(job))
    view.add_item(ui.Container(ui.TextDisplay(text), gallery, row))
    return view


class Toy(discord.AutoShardedClient):
    def __init__(self) -> None:
        intents = discord.Intents.default()
        super().__init__(intents=intents)
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Reroll, Edit)
        await self.tree.sync()

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        if event.user_id != getattr(self.user, "id", 0):
            channel = self.get_partial_messageable(event.channel_id)
            message = channel.get_partial_message(event.message_id)
            await channel.send(f"reacted {event.emoji}", reference=message, nonce="fixed")
            await channel.send(f"reacted {event.emoji}", reference=message, nonce="fixed")


bot = Toy()


@bot.tree.command()
async def reimagine(  # noqa: PLR0917
    interaction: discord.Interaction,
    image: discord.Attachment,
    prompt: app_commands.Range[str, 1, 500],
    model: str = "pocket",
    size: int = 0,
    count: int = 1,
) -> None:
    """Paints a new picture over the old one."""
    await interaction.response.defer(thinking=True)
    try:
        data = await image.read()
        message = await interaction.edit_original_response(content=f"0% {image.width}")
        files = [picture(bytes(size) or data, f"{n}.png") for n in range(count)]
        await message.edit(
            content=None,
            view=card(f"{prompt} by {model}, {interaction.filesize_limit}", 1, "0.png"),
            attachments=files,
        )
    except discord.HTTPException as error:
        text = f"{error.status} {error.code}"
        try:
            await interaction.edit_original_response(content=text)
        except discord.HTTPException as second:
            assert isinstance(interaction.channel, discord.abc.Messageable)
            await interaction.channel.send(f"{text}, then {second.status} {second.code}")


@reimagine.autocomplete("model")
async def models(_: discord.Interaction, text: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=one, value=one) for one in MODELS if text in one]


@bot.tree.context_menu(name="Reimagine this")
async def menu(interaction: discord.Interaction, message: discord.Message) -> None:
    sizes = [len(await one.read()) for one in message.attachments]
    await interaction.response.send_message(f"{message.author.name}: {sizes}", ephemeral=True)


@bot.tree.command()
async def late(interaction: discord.Interaction) -> None:
    """Answers too late."""
    await asyncio.sleep(3.2)
    try:
        await interaction.response.send_message("too late")
    except discord.NotFound as error:
        assert isinstance(interaction.channel, discord.abc.Messageable)
        await interaction.channel.send(f"late: {error.status} {error.code}")


@bot.tree.command()
async def burst(interaction: discord.Interaction, messages: int) -> None:
    """Posts many messages at once."""
    await interaction.response.send_message("go")
    channel = interaction.channel
    assert isinstance(channel, discord.abc.Messageable)
    await asyncio.gather(*(channel.send(f"burst {n}") for n in range(messages)))


if __name__ == "__main__":
    bot.run(os.environ["DISCORD_TOKEN"])
