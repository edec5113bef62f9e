"""What a member asked of one run of the bot, another run goes on with."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from input_studio import SOURCE, ask, card_of, gallery, job_id, set_policy, studio

from bot.discord_ui.client import Palimpsest
from bot.discord_ui.flows import Flows
from bot.discord_ui.intake import Intake
from bot.model import DeliveryState, Job, JobStatus, Origin, OriginKind
from bot.sandbox.server import Sandbox

SYNC = "PUT /applications/{application_id}/commands"


async def stopped(_flows: Flows, _job: Job) -> str | None:
    """In place of `Flows.submit`: the run ended here."""
    return None


async def test_buttons_and_open_forms_work_across_a_restart(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        ada = sandbox.member("ada")
        async with studio(sandbox, tmp_path) as first:
            card = await card_of(first)
            opened = await ada.press(card, emoji="✏️")
            await opened.modal()
        async with studio(sandbox, tmp_path) as second:
            edited = await gallery(await ada.submit(opened, {"prompt": "charcoal"}))
            job = await second.service.get(job_id(edited))
            assert (job.recipe.prompt, job.parent_id) == ("charcoal", job_id(card))
            await gallery(await ada.press(card, emoji="🎲"))


async def test_a_form_whose_picture_is_forgotten_says_so(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        jun = sandbox.member("jun")
        async with studio(sandbox, tmp_path):
            posted = await jun.send("studio", "look", files=[SOURCE])
            opened = await jun.menu(posted, "Reimagine this")
            await opened.modal()
        async with studio(sandbox, tmp_path):
            sent = await jun.submit(opened, {"prompt": "oil"})
            answer = await sent.response()
            assert answer.ephemeral
            assert "open “Reimagine this” on the message again" in answer.text


async def test_a_job_that_was_only_recorded_is_finished_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(Flows, "submit", stopped)
            async with studio(sandbox, tmp_path) as first:
                asked = await ask(first)
                await asked.ack()
        async with studio(sandbox, tmp_path):
            card = await gallery(asked)
        assert card.id == asked.post.id if asked.post else False
        assert len(sandbox.posts("studio")) == 1


async def test_stopping_while_a_picture_is_fetched_tells_nothing_untrue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        async with studio(sandbox, tmp_path) as first:
            fetching = asyncio.Event()
            take = Intake.take

            async def noticed(self: Intake, url: str, *, transparency: bool) -> str:
                fetching.set()
                return await take(self, url, transparency=transparency)

            monkeypatch.setattr(Intake, "take", noticed)
            sandbox.weather.stall_attachment()
            asked = await ask(first)
            await asyncio.wait_for(fetching.wait(), 5)
        sandbox.weather.clear()
        async with studio(sandbox, tmp_path):
            await gallery(asked)
        assert len(sandbox.posts("studio")) == 1


async def test_whether_it_was_acknowledged_is_asked_from_discord(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        async with studio(sandbox, tmp_path) as first:
            pattern = await first.service.get(job_id(await card_of(first)))
            origin = dataclasses.replace(
                pattern.origin,
                interaction_id=1,
                interaction_token="never-answered",
                token_expires_at=datetime.now(UTC) + timedelta(minutes=10),
            )
            lost, _ = await first.service.receive(
                recipe=pattern.recipe, origin=origin, source=pattern.source
            )
        async with studio(sandbox, tmp_path) as second:
            await card_of(second)
            job = await second.service.get(lost.id)
            assert (job.status, job.delivery) == (JobStatus.FAILED, DeliveryState.ABANDONED)
            assert len(second.painter.requests) == 1


async def test_a_die_that_was_only_recorded_is_posted_and_finished(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        async with studio(sandbox, tmp_path) as first:
            card = await card_of(first)
            pattern = await first.service.get(job_id(card))
            origin = Origin(
                kind=OriginKind.REACTION,
                guild_id=pattern.origin.guild_id,
                channel_id=pattern.origin.channel_id,
                user_id=sandbox.member("jun").id,
                reply_to=card.id,
            )
            await first.service.receive(recipe=pattern.recipe, origin=origin, source=pattern.source)
        async with studio(sandbox, tmp_path):
            await sandbox.wait_for(lambda post: post.reply_to == card.id and post.gallery)


async def test_a_refusal_after_a_restart_is_told_in_the_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(Flows, "submit", stopped)
            async with studio(sandbox, tmp_path) as first:
                asked = await ask(first)
                await asked.ack()
                await set_policy(first, member_budget=0.1)
        async with studio(sandbox, tmp_path, grace=0.1):
            post = await asked.wait_for(lambda post: "budget" in post.text)
            assert not post.ephemeral


async def test_commands_are_sent_only_when_they_changed_or_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def syncs(sandbox: Sandbox) -> int:
        return sum(f"{one.method} {one.route}" == SYNC for one in sandbox.requests)

    async with Sandbox() as sandbox:
        for expected in (1, 1):
            async with studio(sandbox, tmp_path):
                assert syncs(sandbox) == expected
        sandbox.host.backend.commands.clear()
        async with studio(sandbox, tmp_path):
            assert syncs(sandbox) == 2
        changed = Palimpsest.__init__

        def renamed(self: Palimpsest, **options: object) -> None:
            changed(self, **options)  # type: ignore[arg-type]
            self.tree.remove_command("queue")

        monkeypatch.setattr(Palimpsest, "__init__", renamed)
        async with studio(sandbox, tmp_path):
            assert syncs(sandbox) == 3
            assert "queue" not in sandbox.member("ada").commands("studio")
