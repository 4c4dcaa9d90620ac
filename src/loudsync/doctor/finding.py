"""What a check found, for people and programs."""

from enum import StrEnum
from typing import Final

import msgspec

MAX_QUOTED: Final = 80
"""Characters of what others say that are repeated: enough to recognise it."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; guests may still be able to join."""
    PROBLEM = "problem"
    """Guests can't join, or not all of them."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        check: What was looked at, as ``file-limit``; programs may rely on it.
        level: How bad it is.
        text: What is the case, in a sentence or two. May repeat what a server
            said, so it is shown like any text of others.
        advice: What to do; empty where nothing is to be done.
    """

    check: str
    level: Level
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    """Make a finding that is as it should be."""
    return Finding(check=check, level=Level.OK, text=text)


def note(check: str, text: str, advice: str) -> Finding:
    """Make a finding that is worth knowing."""
    return Finding(check=check, level=Level.NOTE, text=text, advice=advice)


def problem(check: str, text: str, advice: str) -> Finding:
    """Make a finding that keeps guests away."""
    return Finding(check=check, level=Level.PROBLEM, text=text, advice=advice)


def quoted(text: str, length: int = MAX_QUOTED) -> str:
    """Return the beginning of what somebody else said."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
