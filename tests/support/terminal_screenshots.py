"""Pictures of every screen of the terminal, in colour and without.

``python -m terminal_screenshots FOLDER``, which is what ``make screenshots`` does.
"""

import asyncio
import os
import sys
from pathlib import Path

from playwright.async_api import Browser

from page_opener import chromium
from terminal_screens import take_svgs


async def take_all(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    async with chromium(os.environ["LOUDSYNC_CHROMIUM"]) as browser:
        async for name, svg in take_svgs():
            await _draw(browser, svg, folder / f"terminal-{name}.png")
        os.environ["NO_COLOR"] = "1"  # an app takes it out
        async for name, svg in take_svgs():
            await _draw(browser, svg, folder / f"terminal-{name}-no-colour.png")
            os.environ["NO_COLOR"] = "1"


async def _draw(browser: Browser, svg: str, path: Path) -> None:
    page = await browser.new_page()
    # The font is one of the machine's: others would be fetched from elsewhere.
    style = "<style>text { font-family: 'DejaVu Sans Mono', monospace }</style>"
    await page.set_content(svg.replace("@font-face", "@none") + style)
    await page.locator("svg").screenshot(path=path)
    await page.close()
    print(path)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(take_all(Path(sys.argv[1])))
