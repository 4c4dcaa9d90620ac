"""Pictures of every screen: phone and desktop, light and dark.

``python -m page_screenshots FOLDER``, which is what ``make screenshots`` does.
"""

import asyncio
import os
import sys
from pathlib import Path

from playwright.async_api import Browser, Page

from loudsync import SessionServer
from page_opener import PageOpener, chromium
from page_screens import SETTINGS, walk

SIZES = {"phone": (390, 844), "desktop": (1280, 800), "narrow": (320, 640)}


async def take_all(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    async with chromium(os.environ["LOUDSYNC_CHROMIUM"]) as browser:
        for size in SIZES:
            for scheme in ("light", "dark"):
                await _take(browser, folder, size, scheme)


async def _take(browser: Browser, folder: Path, size: str, scheme: str) -> None:
    async def take(name: str, page: Page) -> None:
        path = folder / f"{name}-{size}-{scheme}.png"
        await page.screenshot(path=path, animations="disabled")
        print(path)  # noqa: T201

    width, height = SIZES[size]
    opener = PageOpener(browser)
    async with SessionServer(host="127.0.0.1", port=0, settings=SETTINGS) as server:
        await walk(
            opener,
            server,
            take,
            width=width,
            height=height,
            color_scheme=scheme,
            is_mobile=size != "desktop",
        )
        await opener.close()


if __name__ == "__main__":
    asyncio.run(take_all(Path(sys.argv[1])))
