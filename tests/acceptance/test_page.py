"""The page in a real browser, with the real bot behind it; the screenshots are for looking at."""

from pathlib import Path

import pytest

from bot.sandbox.page import Page
from tests.acceptance.page_actions import compose, loaded, offers, press, says, send
from tests.acceptance.stage import PATIENCE, Stage, is_finished, photograph
from tests.integration.sandbox.sandbox_browser import CHROMIUM, browse

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
]


async def test_attach_submit_watch_reroll_and_edit(stage: Stage, tmp_path: Path) -> None:
    picture = tmp_path / "harbour.png"
    picture.write_bytes(photograph(320, 240))
    slow = {"max_steps": 150, "default_steps": 150, "max_count": 10, "default_count": 10}
    async with Page(stage.sandbox) as page, browse(page.url, tmp_path / "profile") as tab:
        # A long job: it is watched from its start, and cancelled.
        async with stage.rules(**slow):
            await compose(tab, picture, "a quiet harbour")
            await tab.screenshot(tmp_path / "1-composer.png")
            with stage.bot.frozen():
                await send(tab)
                await tab.until(says("Starting"), PATIENCE)
                await tab.until(offers("Cancel"))
                await tab.screenshot(tmp_path / "2-starting.png")
            async with stage.bot.slowed():
                await tab.until(says("Painting"), PATIENCE)
                await loaded(tab, 1)
                await tab.screenshot(tmp_path / "3-painting.png")
                await press(tab, "Cancel")
                await tab.until(says("Cancelled"), PATIENCE)
                await tab.until(offers("🎲"))
                await tab.screenshot(tmp_path / "4-cancelled.png")

        async with stage.rules(default_count=4, default_steps=4):
            await compose(tab, picture, "a quiet river")
            await send(tab)
            await tab.until(offers("🔁"), PATIENCE)
            await loaded(tab, 5)  # four results and the source
            await tab.screenshot(tmp_path / "5-card.png")
        card = await stage.sandbox.wait_for(is_finished)
        assert len(card.gallery) == 4

        await press(tab, "🎲")
        await tab.until(offers("🔁", 2), PATIENCE)
        await loaded(tab, 10)
        await tab.screenshot(tmp_path / "6-reroll.png")

        await press(tab, "✏")
        field = "document.querySelector('#modal-root textarea')"
        await tab.until(f"!!{field}")
        assert await tab.run(f"{field}.value") == "a quiet river"
        await tab.run(f"{field}.focus(), {field}.select()")
        await tab.type("a storm")
        await tab.screenshot(tmp_path / "7-form.png")
        await tab.run("document.querySelector('#modal-root [type=submit]').click()")
        await tab.until(offers("🔁", 3), PATIENCE)
        await loaded(tab, 15)
        await tab.screenshot(tmp_path / "8-edited.png")
        assert tab.complaints == []
    edited = [one for one in stage.sandbox.posts("studio") if is_finished(one)][-1]
    assert stage.row(edited)["recipe"]["prompt"] == "a storm"
