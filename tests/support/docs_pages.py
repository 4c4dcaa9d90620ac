"""The documents as tests read them: blocks of code, tables, headings, links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

README = ROOT / "README.md"
PROTOCOL = ROOT / "docs" / "protocol.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

Row = dict[str, str]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block of code."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str, pages: list[Path] = PAGES) -> list[Block]:
    """Return the blocks of these languages."""
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match[1] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(page, line, match[1], match[2]))
    return found


def table(page: Path, *columns: str, last: bool = False) -> list[Row]:
    """Return the rows of the first, or last, table that starts with these columns."""
    fitting = [
        rows for rows in _tables(page) if tuple(rows[0])[: len(columns)] == columns
    ]
    assert fitting, f"{page.name} has no table that starts with {columns}"
    return fitting[-1 if last else 0]


def _tables(page: Path) -> Iterator[list[Row]]:
    lines = page.read_text(encoding="utf-8").splitlines()
    rows: list[list[str]] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            header, _, *body = rows
            yield [dict(zip(header, row, strict=True)) for row in body]
            rows = []


def code(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return _CODE.findall(cell)


def one_code(cell: str) -> str:
    """Return the only thing in backticks."""
    (found,) = code(cell)
    return found


def prose(page: Path) -> str:
    """Return the page without its blocks of code."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Return where the page links to."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub gives to the page's headings."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }
