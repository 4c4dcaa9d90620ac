"""Every screen: open to everybody, as axe sees it, and it doesn't jump."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from loudsync import ServerSettings, SessionServer
from page_opener import PageOpener
from page_screens import SETTINGS, walk

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = (
    Path(__file__).parents[2] / "clients/js/node_modules/axe-core/axe.min.js"
).read_text(encoding="utf-8")

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

CHECK = """async (rules) => {
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.map(({ id, nodes }) => [id, ...nodes.map(({ target, any }) =>
    `${target} ${any.map(({ message }) => message)}`)]);
}"""

NOTE_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifts += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""

GOOD_SHIFT = 0.1
"""What web vitals call good, for a page's whole life."""

SCREENS = 19


@pytest.fixture
def settings() -> ServerSettings:
    return SETTINGS


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(390, 844, "light"), (1280, 800, "dark")]
)
async def test_axe_finds_nothing(
    opener: PageOpener, server: SessionServer, width: int, height: int, scheme: str
) -> None:
    seen: dict[str, list[Any]] = {}
    shifts: dict[str, float] = {}

    async def check(name: str, page: Page) -> None:
        await page.evaluate(
            "Promise.all(document.getAnimations().map((a) => a.finished))"
        )
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(AXE)
        seen[name] = await page.evaluate(CHECK, RULES)
        shifts[name] = await page.evaluate("window.shifts")

    await walk(
        opener,
        server,
        check,
        width=width,
        height=height,
        color_scheme=scheme,
        script=NOTE_SHIFTS,
    )
    assert {name: found for name, found in seen.items() if found} == {}
    assert len(seen) >= SCREENS
    assert {name: sum_ for name, sum_ in shifts.items() if sum_ > GOOD_SHIFT} == {}


async def test_axe_would_find_something(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await opener.open(server.url)
    await page.evaluate(AXE)
    await page.evaluate("document.getElementById('code').labels[0].remove()")
    await page.evaluate("document.getElementById('code').placeholder = ''")
    found = await page.evaluate(CHECK, RULES)
    assert "label" in [rule for rule, *_ in found]
