"""Opens the page as guests do, each in a browser context of its own."""

from playwright.async_api import Browser, ConsoleMessage, Locator, Page

FAST_TIMERS = """
onmessage = ({ data: ms, ports: [port] }) => {
  setTimeout(() => port.postMessage(null), ms / 20);
};
"""
"""In place of timers.js: what takes the page 5 s takes it 250 ms."""


class PageOpener:
    """Opens pages and notes what they complain about.

    Attributes:
        problems: Console errors, CSP violations among them, and uncaught errors.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.problems: list[str] = []

    async def open(
        self,
        url: str,
        *,
        width: int = 390,
        has_fast_timers: bool = False,
        script: str = "",
    ) -> Page:
        """Open a URL in a new context; ``script`` runs before the page's own."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": 844}
        )
        # Popups too are watched.
        context.on("page", self._watch)
        if script:
            await context.add_init_script(script)
        if has_fast_timers:
            await context.route(
                "**/timers.js",
                lambda route: route.fulfill(
                    body=FAST_TIMERS, content_type="text/javascript"
                ),
            )
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

    def _watch(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)


async def join(page: Page, name: str, code: str | None = None) -> None:
    """Fill in the form and send it."""
    await page.get_by_label("Your name").fill(name)
    if code is not None:
        await page.get_by_label("Session code").fill(code)
    await page.get_by_role("button", name="Join", exact=True).click()


def member(page: Page, name: str) -> Locator:
    """Return the row of the member with this name."""
    rows = page.get_by_role("list", name="Members").get_by_role("listitem")
    return rows.filter(has=page.get_by_text(name, exact=True))


def message(page: Page) -> Locator:
    """Return what the form says above its fields."""
    return page.get_by_role("alert")


def state(page: Page) -> Locator:
    """Return the page's own connection state."""
    return page.locator("#state")
