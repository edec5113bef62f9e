"""What happens when a form is sent."""

from typing import Any

import discord

from bot.discord_ui.flows import Flows
from bot.discord_ui.menus import TOO_OLD, OfferedPictures
from bot.discord_ui.modals import Form, Submission
from bot.discord_ui.wish import inpainted, upscaled, varied
from bot.errors import Gone
from bot.model import GuildPolicy, OriginKind
from inference.request import Recipe


async def send(
    interaction: discord.Interaction[Any],
    submission: Submission,
    *,
    flows: Flows,
    offered: OfferedPictures,
) -> None:
    """Asks for the job that the form describes. Raises UserError, RequestError."""
    wish = submission.wish

    def change(parent: Recipe, policy: GuildPolicy) -> Recipe:
        return wish.over(parent, prefilled=policy.default_strength)

    match submission.form:
        case Form.PICTURE:
            pictures = offered.get(submission.id)
            if submission.picture >= len(pictures):
                raise Gone(TOO_OLD)
            picture = pictures[submission.picture]
            await flows.fresh(
                interaction,
                wish,
                kind=OriginKind.MENU,
                url=picture.url,
                reply_to=submission.id,
            )
        case Form.EDIT:
            edited = flows.edited(wish)
            await flows.child(interaction, submission.id, edited, kind=OriginKind.MODAL)
        case Form.UPSCALE:
            await flows.child(
                interaction,
                submission.id,
                upscaled,
                kind=OriginKind.MODAL,
                result=submission.picture,
            )
        case Form.PAINT:
            await flows.child(
                interaction,
                submission.id,
                inpainted(wish),
                kind=OriginKind.MODAL,
                result=submission.picture,
                painted_url=submission.painted,
            )
        case Form.VARIATIONS:
            near = varied(submission.picture)
            await flows.child(interaction, submission.id, near, kind=OriginKind.MODAL)
        case Form.SOURCE | Form.RESULT:
            await flows.child(
                interaction,
                submission.id,
                change,
                kind=OriginKind.MODAL if submission.form is Form.SOURCE else OriginKind.MENU,
                result=submission.picture,
                anybody=submission.form is Form.RESULT,
            )
