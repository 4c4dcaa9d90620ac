"""QR codes of join links."""

import functools
import io
from typing import Final

import segno

_ERROR_CORRECTION: Final = "M"
"""15 % may be unreadable: a hand before a screen. Raised where that is free."""


@functools.lru_cache(maxsize=256)
def qr_svg(link: str, title: str) -> bytes:
    """Draw a link as an SVG document without a size of its own.

    It is dark on white with the margin that scanners need, one unit per module.

    Args:
        link: What the code holds; the document's ``desc`` repeats it.
        title: What the document is called.

    Raises:
        ValueError: The link is too long for any QR code (2,331 bytes).
    """
    out = io.BytesIO()
    segno.make(link, error=_ERROR_CORRECTION, micro=False).save(
        out,
        kind="svg",
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        omitsize=True,
        dark="#000",
        light="#fff",
        title=title,
        desc=link,
    )
    return out.getvalue()
