"""A tab in the background of a real Chromium, spoken to without Playwright.

Playwright keeps every page it drives active. Here a tab is hidden as a person
hides it: by another one in front of it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from page_opener import CHROMIUM_FLAGS

_ADDRESS = re.compile(rb"ws://\S+")


class Tab:
    """One tab of a browser that is reached by the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last_id = 0
        self._target = ""
        self._session = ""

    async def open(self, url: str, script: str = "") -> None:
        """Open a URL in a new tab; ``script`` runs before the page's own."""
        created = await self._browser("Target.createTarget", url="about:blank")
        self._target = created["targetId"]
        attached = await self._browser(
            "Target.attachToTarget", targetId=self._target, flatten=True
        )
        self._session = attached["sessionId"]
        await self._call("Page.enable")
        await self._call("Page.addScriptToEvaluateOnNewDocument", source=script)
        await self._call("Page.navigate", url=url)

    async def hide(self) -> None:
        """Put another tab in front of it."""
        other = await self._browser("Target.createTarget", url="about:blank")
        await self._browser("Target.activateTarget", targetId=other["targetId"])

    async def show(self) -> None:
        await self._browser("Target.activateTarget", targetId=self._target)

    async def go(self, url: str) -> None:
        await self._call("Page.navigate", url=url)

    async def set_lifecycle(self, state: str) -> None:
        """Freeze the page (``frozen``), or wake it up (``active``)."""
        await self._call("Page.setWebLifecycleState", state=state)

    async def installability_errors(self) -> list[str]:
        """Return what keeps the browser from offering to install the page."""
        answer = await self._call("Page.getInstallabilityErrors")
        return [error["errorId"] for error in answer["installabilityErrors"]]

    async def evaluate(self, expression: str) -> Any:
        answer = await self._call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until it is true."""
        while not await self.evaluate(expression):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._send(method, params, sessionId=self._session)

    async def _browser(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._send(method, params)

    async def _send(
        self, method: str, params: dict[str, Any], **more: str
    ) -> dict[str, Any]:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params, **more}
        await self._socket.send(json.dumps(message))
        while True:
            answer: dict[str, Any] = json.loads(await self._socket.recv())
            if answer.get("id") == self._last_id:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result


@asynccontextmanager
async def chromium_tab(path: str, profile: Path) -> AsyncIterator[Tab]:
    """Start a browser of its own with one tab; it ends with the block."""
    browser = await asyncio.create_subprocess_exec(
        path,
        *CHROMIUM_FLAGS,
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert browser.stderr is not None
        address = None
        async for line in browser.stderr:
            if address := _ADDRESS.search(line):
                break
        assert address is not None, "Chromium ended"
        async with connect(address[0].decode(), max_size=None) as socket:
            yield Tab(socket)
    finally:
        browser.kill()
        await browser.wait()
