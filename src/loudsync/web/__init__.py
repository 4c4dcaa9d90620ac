"""The page that guests and hosts open, as files to serve."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple


class PageFile(NamedTuple):
    """One file of the page, ready to be sent with its headers."""

    body: bytes
    headers: dict[str, str]


_PAGE_HEADERS: Final = {
    # No inline script, nothing from elsewhere; connect-src is open because
    # 'self' does not cover ws: in every browser that is still in use.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self' ws: wss:; worker-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

_FOR_EVERYBODY: Final = {"Access-Control-Allow-Origin": "*"}
"""Pages from elsewhere may import the client."""

_CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}

_CLIENT: Final = "loudsync.js"

_CLIENT_IN_CHECKOUT: Final = Path(__file__).parents[3] / "clients" / "js" / _CLIENT
"""The npm package has the one copy there is; building the wheel adds it here."""


def page_files() -> dict[str, PageFile]:
    """Read every file of the page; the keys are the paths to serve them at."""
    return {
        "/" if file.name == "index.html" else f"/{file.name}": PageFile(
            file.read_bytes(), _headers(file.name)
        )
        for file in _files()
    }


def _headers(name: str) -> dict[str, str]:
    content_type = {"Content-Type": _CONTENT_TYPES[PurePosixPath(name).suffix]}
    return _PAGE_HEADERS | content_type | (_FOR_EVERYBODY if name == _CLIENT else {})


def _files() -> Iterator[Traversable]:
    folder = files(__name__) / "static"
    yield from folder.iterdir()
    if not (folder / _CLIENT).is_file():
        yield _CLIENT_IN_CHECKOUT
