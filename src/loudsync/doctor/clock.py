"""Whether this machine's clock can be right: certificates depend on it."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loudsync.doctor.finding import Finding, note, ok, problem

_CHECK: Final = "clock"

WRITTEN_S: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""No clock that is right shows less: this program was written later."""

_DAY_S: Final = 86_400.0
"""Files that were copied between time zones can be hours ahead."""

SKEW_NOTED_S: Final = 30.0
"""More than networks and whole seconds explain."""

SKEW_WRONG_S: Final = 300.0
"""What protocols with time stamps allow, Kerberos for one (RFC 4120)."""


def look_at_clock() -> list[Finding]:
    """Compare this machine's clock with the program's own files."""
    package = Path(__file__).parent.parent
    return [judge_clock(time.time(), newest_s(package.rglob("*.py")))]


def newest_s(files: Iterable[Path]) -> float:
    """Return when the newest of these files was written, in Unix time."""
    return max((file.stat().st_mtime for file in files), default=0.0)


def judge_clock(now_s: float, newest_file_s: float) -> Finding:
    """Say whether a clock can be right.

    Args:
        now_s: What it shows, in Unix time.
        newest_file_s: When a file was written that is there already.
    """
    shown = _moment(now_s)
    if now_s < max(WRITTEN_S, newest_file_s - _DAY_S):
        return problem(
            _CHECK,
            f"This machine's clock is wrong: it shows {shown}. Secure (https) "
            "connections look invalid then.",
            "Set the date and time, best automatically from the internet, in "
            "the system's settings.",
        )
    return ok(_CHECK, f"This machine's clock seems right: it shows {shown}.")


def judge_skew(skew_s: float | None, *, is_secure: bool) -> list[Finding]:
    """Say whether the other side's clock and ours agree.

    Args:
        skew_s: How far the other one is ahead; ``None`` where it is unknown.
        is_secure: Whether certificates are looked at on the way.
    """
    if skew_s is None:
        return []
    if abs(skew_s) <= SKEW_NOTED_S:
        return [ok(_CHECK, "This machine's clock and the server's agree.")]
    behind, ahead = ("this machine's", "the server's")
    if skew_s < 0:
        behind, ahead = ahead, behind
    text = f"Of the two clocks, {ahead} is {duration(abs(skew_s))} ahead of {behind}."
    if is_secure and abs(skew_s) >= SKEW_WRONG_S:
        return [
            problem(
                _CHECK,
                f"{text} Certificates can look invalid then.",
                "Set the clock of the one that is wrong.",
            )
        ]
    return [
        note(
            _CHECK,
            f"{text} LoudSync itself works nevertheless.",
            "Set the clock of the one that is wrong, or times will look odd.",
        )
    ]


def duration(seconds: float) -> str:
    """Return a length of time as people say it."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _moment(unix_s: float) -> str:
    try:
        return f"{datetime.fromtimestamp(unix_s).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "no date at all"
