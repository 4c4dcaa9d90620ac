"""QR codes of join links."""

import functools
import io
from typing import Final

import segno

_ERROR_CORRECTION: Final = "M"
"""15 % may be unreadable: a hand before a screen. Raised where that is free."""

_TERMINAL_ERROR_CORRECTION: Final = "L"
"""In a terminal room is scarce and nothing covers the code."""

_HALF_BLOCKS: Final = {
    (False, False): " ",
    (True, False): "▀",
    (False, True): "▄",
    (True, True): "█",
}
"""What shows two modules, the upper and the lower, by whether they are light."""


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


@functools.lru_cache(maxsize=16)
def qr_half_blocks(link: str, border: int = 2) -> tuple[str, ...]:
    """Draw a link as lines of text, two modules high and one wide a character.

    Light modules are drawn and dark ones left blank, for white on black: so it
    is right where a terminal is dark and colours are lost.

    Args:
        border: Light modules around it. The standard wants 4; scanners are
            content with 2.

    Raises:
        ValueError: The link is too long for any QR code (2,953 bytes).
    """
    code = segno.make(link, error=_TERMINAL_ERROR_CORRECTION, micro=False)
    rows = [[not dark for dark in row] for row in code.matrix_iter(border=border)]
    if len(rows) % 2:
        rows.append([True] * len(rows[0]))
    return tuple(
        "".join(_HALF_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )
