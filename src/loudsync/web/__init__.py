"""The page that guests open, as files to serve."""

from importlib.resources import files
from typing import Final, NamedTuple


class PageFile(NamedTuple):
    """One file of the page, ready to be sent."""

    body: bytes
    content_type: str


PAGE_HEADERS: Final = {
    # No inline script, nothing from elsewhere; connect-src is open because
    # 'self' does not cover ws: in every browser that is still in use.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/timers.js": ("timers.js", "text/javascript; charset=utf-8"),
    "/seat.js": ("seat.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def page_files() -> dict[str, PageFile]:
    """Read every file of the page; the keys are the paths to serve them at."""
    folder = files(__name__) / "static"
    return {
        path: PageFile((folder / name).read_bytes(), content_type)
        for path, (name, content_type) in _FILES.items()
    }
