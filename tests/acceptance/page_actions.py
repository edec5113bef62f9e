"""What a person does on the sandbox's page, by its own controls."""

from pathlib import Path

from tests.integration.sandbox.sandbox_browser import Tab

BUTTONS = "[...document.querySelectorAll('#channel-message-list button')]"
COMPOSER = "document.querySelector('#channel-composer-input')"
ATTEMPTS = 5


def says(text: str) -> str:
    """A script that is true while the page shows a text."""
    return f"document.body.innerText.includes({text!r})"


def option(name: str) -> str:
    """A script that finds an option of the command that is being composed."""
    return f"document.querySelector('input[data-option={name}]')"


def offers(label: str, times: int = 1) -> str:
    """A script that is true while the channel shows that many buttons with a label."""
    return f"{BUTTONS}.filter(b => b.innerText.includes({label!r})).length === {times}"


async def compose(tab: Tab, picture: Path, prompt: str) -> None:
    """Fills in `/reimagine` with a picture and a prompt; Enter would send it."""
    await tab.until(f"{COMPOSER} && !{COMPOSER}.closest('form').hidden && {says('Jun')}")
    await _type_command(tab)
    await tab.key("Enter", 13)
    await tab.until(f"!!{option('image')}")
    await tab.attach("input[type=file][data-option=image]", picture)
    await tab.run(f"{option('prompt')}.focus()")
    await tab.type(prompt)
    await tab.until(f"{option('prompt')}.value === {prompt!r}")


async def _type_command(tab: Tab) -> None:
    """Types until the command is offered: a page that has just come up may forget the draft."""
    for attempt in reversed(range(ATTEMPTS)):
        await tab.run(f"{COMPOSER}.focus(), {COMPOSER}.select()")
        await tab.type("/reim")
        try:
            await tab.until("!!document.querySelector('[role=option][aria-selected=true]')", 5)
        except TimeoutError:
            if not attempt:
                raise
        else:
            return


async def send(tab: Tab) -> None:
    """Presses Enter."""
    await tab.key("Enter", 13)


async def press(tab: Tab, label: str) -> None:
    """Clicks the newest button with a label or emoji."""
    await tab.until(f"{BUTTONS}.some(b => b.innerText.includes({label!r}) && !b.disabled)")
    await tab.run(f"{BUTTONS}.findLast(b => b.innerText.includes({label!r})).click()")


async def loaded(tab: Tab, pictures: int, timeout: float = 60.0) -> None:
    """Waits until so many pictures of the channel are there and decoded."""
    await tab.until(
        "(() => { const all = [...document.querySelectorAll('#channel-message-list img')];"
        f" return all.length >= {pictures}"
        " && all.every(one => one.complete && one.naturalWidth > 0); })()",
        timeout,
    )
