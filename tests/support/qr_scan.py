"""Reads QR codes from the screen, as a phone's camera does."""

import base64
from pathlib import Path

from playwright.async_api import Browser, Locator

JSQR = Path(__file__).parents[2] / "clients/js/node_modules/jsqr/dist/jsQR.js"

DECODE = """async (picture) => {
  const image = new Image();
  image.src = "data:image/png;base64," + picture;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  return jsQR(data, image.width, image.height)?.data ?? null;
}"""


async def scan(browser: Browser, shown: Locator) -> str:
    """Take a picture of what is shown; return what the QR code in it says."""
    picture = base64.b64encode(await shown.screenshot()).decode()
    page = await browser.new_page()
    await page.add_script_tag(path=JSQR)
    text: str | None = await page.evaluate(DECODE, picture)
    await page.close()
    assert text is not None, "there is no QR code in the picture"
    return text
