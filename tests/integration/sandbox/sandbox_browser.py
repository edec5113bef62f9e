"""Chromium without a head, driven by its own debugging protocol over aiohttp.

It tells of no event that a test could wait for here, so what it shows is asked for repeatedly.
"""

# ruff: noqa: ASYNC110, ASYNC240

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--window-size=1280,960",
)


class Tab:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []

    async def command(self, method: str, **values: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": values})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"])[:500])
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message["result"])

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        result = await self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:800])
        return result["result"].get("value")

    async def until(self, script: str, timeout: float = 15.0) -> Any:
        """Ask the page until it says something true."""
        try:
            async with asyncio.timeout(timeout):
                while not (value := await self.run(script)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            text = await self.run("document.body.innerText")
            raise TimeoutError(f"never true: {script}\non a page that says:\n{text}") from None
        return value

    async def type(self, text: str) -> None:
        await self.command("Input.insertText", text=text)

    async def key(self, name: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.command(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                windowsVirtualKeyCode=code,
                **({"text": "\r"} if name == "Enter" and kind == "keyDown" else {}),
            )

    async def attach(self, selector: str, path: Path) -> None:
        """Choose a file in an ``<input type=file>``."""
        root = await self.command("DOM.getDocument")
        node = await self.command(
            "DOM.querySelector", nodeId=root["root"]["nodeId"], selector=selector
        )
        await self.command("DOM.setFileInputFiles", files=[str(path)], nodeId=node["nodeId"])

    async def screenshot(self, path: Path) -> None:
        shot = await self.command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def browse(url: str, profile: Path) -> AsyncIterator[Tab]:
    """A fresh Chromium with one tab at ``url``."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={profile}",
        url,
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        port_file = profile / "DevToolsActivePort"
        async with asyncio.timeout(30):
            while not port_file.exists() or not port_file.read_text().strip():
                await asyncio.sleep(0.05)
        port = port_file.read_text().splitlines()[0]
        async with aiohttp.ClientSession() as session:
            target = await _first_page(session, port)
            async with session.ws_connect(target, max_msg_size=0) as socket:
                tab = Tab(socket)
                await tab.command("Runtime.enable")
                while not await tab.run(
                    "location.href !== 'about:blank' && document.readyState === 'complete'"
                ):
                    await asyncio.sleep(0.05)
                yield tab
    finally:
        process.terminate()
        await process.wait()


async def _first_page(session: aiohttp.ClientSession, port: str) -> str:
    async with asyncio.timeout(30):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                for target in await response.json(content_type=None):
                    if target["type"] == "page":
                        return str(target["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)
