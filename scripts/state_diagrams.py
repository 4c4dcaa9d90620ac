"""Draw the state diagrams of docs/protocol.md from the tables in the code.

Without options the marked regions are written anew; with ``--check`` nothing is
written, and the exit code is 1 with one line on stderr where they are out of
date. ``--print`` shows the diagrams.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loudsync.core import CLIENT_TRANSITIONS, SEAT_TRANSITIONS
from loudsync.protocol import ConnectionState, ConnectionStatus

PAGE: Final = Path(__file__).parents[1] / "docs" / "protocol.md"

END: Final = "<!-- end -->"

OUTSIDE: Final = "[*]"
"""Mermaid's name for the point before the first state and after the last."""

Arrow = tuple[str, str | None, str]
"""From, to (``None``: the end), and why."""


class NoRegion(Exception):
    """The page lacks a region's marks; the text names it."""


def diagrams() -> dict[str, str]:
    """Draw every diagram; the keys are the names of the regions."""
    return {
        "client states": draw(
            ConnectionState.DISCONNECTED,
            [(old, new, why) for (old, why), new in CLIENT_TRANSITIONS.items()],
        ),
        "seat states": draw(
            ConnectionStatus.DISCONNECTED,
            [(old, new, why) for (old, why), new in SEAT_TRANSITIONS.items()],
        ),
    }


def draw(first: str, arrows: Iterable[Arrow]) -> str:
    """Write a Mermaid state diagram; arrows between the same states become one."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for old, new, why in arrows:
        reasons.setdefault((old, new or OUTSIDE), []).append(why)
    lines = ["stateDiagram-v2", f"    {OUTSIDE} --> {first}"]
    lines += [
        f"    {old} --> {new}: {'<br/>'.join(why)}"
        for (old, new), why in reasons.items()
    ]
    return "\n".join(["```mermaid", *lines, "```"])


def renew(page: str) -> str:
    """Return the page with its marked regions as the code has them now.

    Raises:
        NoRegion: A region's marks are missing.
    """
    for name, diagram in diagrams().items():
        begin = f"<!-- generated: {name} -->"
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(END)
        if not (found and ended):
            raise NoRegion(f"no region between {begin!r} and {END!r}")
        page = f"{before}{begin}\n{diagram}\n{END}{after}"
    return page


def main() -> int:
    """Renew, check or print; return the exit code."""
    parser = argparse.ArgumentParser(description="Draw docs/protocol.md's diagrams.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--print", action="store_true", help="show the diagrams")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    options = parser.parse_args()
    if options.print:
        print("\n\n".join(diagrams().values()))
        return 0
    page: Path = options.page
    try:
        old = page.read_text(encoding="utf-8")
        new = renew(old)
    except (OSError, NoRegion) as fault:
        print(f"{page}: {fault}", file=sys.stderr)
        return 1
    if options.check and new != old:
        print(f"{page} is out of date; run {Path(__file__).name}", file=sys.stderr)
        return 1
    if new != old:
        page.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
