"""Opens the page as guests and hosts do, each in a browser context of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    async_playwright,
    expect,
)

FAST_TIMERS = """
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function ([id, ms]) {
  postMessage.call(this, [id, ms === 5_000 ? ms / 20 : ms]);
};
"""
"""Heartbeats every 250 ms instead of 5 s: the client's Worker is told so.

Attempts take as long as ever, so that a slow machine can watch them.
"""

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name like the one a party at home has: plain http, not this machine.
    "--host-resolver-rules=MAP party.test 127.0.0.1",
]


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Browser]:
    """Run a Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            args=CHROMIUM_FLAGS,
            # People have it, and it is one of the ways a page is left.
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        await browser.close()


class PageOpener:
    """Opens pages and notes what they complain about.

    Attributes:
        problems: Console errors, CSP violations among them, and uncaught errors.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.problems: list[str] = []
        self._ignored: tuple[str, ...] = ()

    async def open(
        self,
        url: str,
        *,
        width: int = 390,
        height: int = 844,
        has_fast_timers: bool = False,
        script: str = "",
        **context_options: Any,
    ) -> Page:
        """Open a URL in a new context; ``script`` runs before the page's own."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": height},
            **context_options,
        )
        # Popups too are watched.
        context.on("page", self._watch)
        if script:
            await context.add_init_script(script)
        if has_fast_timers:
            await context.add_init_script(FAST_TIMERS)
        page = await context.new_page()
        await page.goto(url)
        return page

    async def close(self) -> None:
        for context in self._browser.contexts:
            await context.close()

    def forgive(self, text: str) -> None:
        """Take out the problems that contain this; at least one must."""
        rest = [problem for problem in self.problems if text not in problem]
        assert len(rest) < len(self.problems), self.problems
        self.problems[:] = rest

    def ignore_network(self) -> None:
        """Take no notice of requests that fail: the network is broken on purpose."""
        self._ignored = ("net::ERR_", "Failed to load resource")
        self.problems[:] = filter(self._counts, self.problems)

    def _counts(self, problem: str) -> bool:
        return not any(text in problem for text in self._ignored)

    def _watch(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and self._counts(message.text):
            self.problems.append(message.text)


async def join(page: Page, name: str) -> None:
    """Fill in the form of a party and send it."""
    await field(page, "Your name").fill(name)
    await button(page, "Join").click()


async def enter(page: Page, name: str) -> None:
    """Join, and be there."""
    await join(page, name)
    await expect(state(page)).to_have_text("Connected")


async def go_to(page: Page, code: str) -> None:
    """Type a code on the first screen."""
    await field(page, "Party code").fill(code)
    await button(page, "Go").click()


async def start(page: Page, party: str, name: str) -> None:
    """Start a party from the first screen."""
    await page.get_by_role("link", name="Start a party").click()
    await field(page, "Name of the party").fill(party)
    await field(page, "Your name").fill(name)
    await button(page, "Start the party").click()


async def kick(page: Page, name: str, reason: str) -> None:
    """Remove a member from the host's room."""
    await button(page, f"Remove {name}").click()
    await field(page, "Reason, for them to read").fill(reason)
    await button(page, "Remove").click()


def field(page: Page, label: str) -> Locator:
    """Return the text field with this label on the screen that is shown."""
    return page.get_by_role("textbox", name=label, exact=True)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def member(page: Page, name: str) -> Locator:
    """Return the row of the member with this name."""
    rows = page.get_by_role("list", name="Members").get_by_role("listitem")
    return rows.filter(has=page.get_by_text(name, exact=True))


def fault(page: Page) -> Locator:
    """Return what the form on the screen says is wrong."""
    return page.locator(".screen:not([hidden]) .field-error")


def ending(page: Page) -> Locator:
    """Return what the page says about the end of a party."""
    return page.locator("#endings .toast span")


def toasts(page: Page) -> Locator:
    return page.locator("#toasts .toast span")


def state(page: Page) -> Locator:
    """Return the page's own connection state."""
    return page.locator("#state")
