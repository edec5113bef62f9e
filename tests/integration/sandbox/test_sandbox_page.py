"""The page in a real browser: what a person does first, while the channel is alive around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandbox_browser import CHROMIUM, browse

from bot.sandbox.page import Page
from bot.sandbox.server import Sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
]


def says(text: str) -> str:
    return f"document.body.innerText.includes({text!r})"


CLICK = "[...document.querySelectorAll('button')].findLast(b => b.innerText.includes({!r})).click()"
OPTION = "document.querySelector('input[data-option={}]')"


async def test_attach_submit_watch_press_and_edit(
    sandbox: Sandbox, png: bytes, tmp_path: Path
) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(png)
    iris = sandbox.member("iris")
    async with Page(sandbox) as page, browse(page.url, tmp_path / "profile") as tab:
        # The page knows nothing of what happens elsewhere, unless it is kept fresh.
        first = await iris.slash("studio", "reimagine", image=picture, prompt="by iris")
        await tab.until(says("by iris by pocket"))

        # Attach, and write a prompt while others post.
        await tab.run("document.querySelector('#channel-composer-input').focus()")
        await tab.type("/reim")
        await tab.until("!!document.querySelector('[role=option][aria-selected=true]')")
        await tab.key("Enter", 13)
        await tab.until(f"!!{OPTION.format('image')}")
        await tab.attach("input[type=file][data-option=image]", picture)
        await tab.run(f"{OPTION.format('prompt')}.focus()")
        await tab.type("a quiet ")
        await iris.send("studio", "passing by")
        await tab.until(says("passing by"))
        await tab.type("harbour")
        await tab.screenshot(tmp_path / "1-composer.png")
        await tab.until(f"{OPTION.format('prompt')}.value === 'a quiet harbour'")
        await tab.key("Enter", 13)
        await tab.until(says("a quiet harbour by pocket"))
        mine = await sandbox.wait_for(lambda post: "a quiet harbour by" in post.text)
        assert mine.for_user == sandbox.member("ada").id
        await tab.until("document.querySelectorAll('#channel-message-list img').length >= 2")
        await tab.screenshot(tmp_path / "2-card.png")

        # Press a button: the deferred answer is edited later, and appears by itself.
        await tab.run(CLICK.format("Reroll"))
        await tab.until(says("rerolled 1"))

        # Edit in the modal while others post.
        await tab.run(CLICK.format("✏"))
        await tab.until("!!document.querySelector('#modal-root textarea, #modal-root input')")
        field = "document.querySelector('#modal-root :is(textarea, input:not([type=file]))')"
        assert await tab.run(f"{field}.value") == "a quiet harbour"
        await tab.run(f"{field}.focus(), {field}.select()")
        await tab.type("a storm")
        await iris.send("studio", "passing again")
        await tab.until(says("passing again"))
        await tab.screenshot(tmp_path / "3-modal.png")
        assert await tab.run(f"{field}.value") == "a storm"
        await tab.run("document.querySelector('#modal-root [type=submit]').click()")
        await tab.until(says("edited to 'a storm' with []"))
        await tab.screenshot(tmp_path / "4-done.png")
        assert tab.complaints == []
    assert first.acknowledged
