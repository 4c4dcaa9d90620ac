"""What there is room for, and how it is put there: no terminal needed.

Widths are in cells: a wide character takes two of them.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

from loudsync.cli.words import describe_duration

MARK_WIDTH: Final = 2
LATENCY_WIDTH: Final = 7
HERE_WIDTH: Final = 6
SHORT_STATUS_WIDTH: Final = 9
"""``connected``; what is longer has no latency and takes that column too."""

STATUS_WIDTH: Final = 13
MIN_TRACE_WIDTH: Final = 5
MAX_TRACE_WIDTH: Final = 16
MIN_NAME_WIDTH: Final = 9
LEAST_NAME_WIDTH: Final = 5
COMFORTABLE_NAME_WIDTH: Final = 18
MAX_NAME_WIDTH: Final = 28

MIN_LEFT_WIDTH: Final = 39
"""Less than that beside the QR code, and the members have the screen alone."""

SHORT_ROWS: Final = 14
"""A screen with less has no room for what can be done without."""

MIN_LOG_ROWS: Final = 3
NEWS_SHARE: Final = 3
"""One line in so many is for events when the members fill the screen."""

MAX_LATENCY_MS: Final = 99_999
"""More is no latency but nonsense."""

FULL_BAR_MS: Final = 200.0
"""Where music or a game is no fun any more; one scale for all shows who lags."""

LONGEST_SPACED_CODE: Final = 8

_BARS: Final = "▁▂▃▄▅▆▇█"

_CLOCK_SLACK_S: Final = 60
"""By so much may clocks differ without being wrong."""


class Columns(NamedTuple):
    """The widths of a member's columns; 0 where there is no room for one."""

    gap: int
    name: int
    status: int
    latency: int
    trace: int
    here: int


class Rows(NamedTuple):
    """How a screen's height is used.

    Attributes:
        is_airy: There are empty lines between its parts.
        log: Lines of the event log with its title; 0: none.
        has_qr: The QR code is beside the members.
    """

    is_airy: bool
    log: int
    has_qr: bool


def fit_columns(width: int) -> Columns:
    """Divide a line among a member's columns; the trace is the first to go."""
    gap = 2 if width >= 60 else 1
    status = STATUS_WIDTH if width >= 60 else SHORT_STATUS_WIDTH
    columns = Columns(gap, 0, status, LATENCY_WIDTH, MIN_TRACE_WIDTH, HERE_WIDTH)
    for column in ("trace", "here", "latency", "status", ""):
        room = width - MARK_WIDTH - _taken(columns)
        enough = LEAST_NAME_WIDTH if column == "status" else MIN_NAME_WIDTH
        if room >= enough or not column:
            break
        columns = columns._replace(**{column: 0})
    spare = max(room - COMFORTABLE_NAME_WIDTH, 0)
    more = min(spare, MAX_TRACE_WIDTH - columns.trace) if columns.trace else 0
    name = max(min(room - more, MAX_NAME_WIDTH), 1)
    return columns._replace(trace=columns.trace + more, name=name)


def fit_rows(width: int, height: int, members: int, qr: tuple[int, int] | None) -> Rows:
    """Divide a screen's height.

    Args:
        members: How many there are.
        qr: Columns and lines of the QR code; ``None`` where there is none.
    """
    is_airy = height >= 16
    # The title, who can be invited how, the footer, and what is empty.
    body = height - (6 if is_airy else 3)
    log = max(body - members - 2, body // NEWS_SHARE)
    has_qr = (
        qr is not None and width - qr[0] >= MIN_LEFT_WIDTH + 3 and qr[1] + 1 <= body
    )
    return Rows(is_airy, log if log >= MIN_LOG_ROWS and body >= 8 else 0, has_qr)


def fit(text: str, width: int) -> str:
    """Return a text of exactly this width, with an ellipsis where it is cut."""
    if cell_len(text) > width:
        text = f"{set_cell_size(text, max(width - 1, 0)).rstrip()}…"
    return set_cell_size(text, width)


def latency_words(latency_ms: float | None) -> str:
    """Return a latency with its unit; a lying server's is a question mark."""
    if latency_ms is None:
        return ""
    if not 0 <= latency_ms <= MAX_LATENCY_MS:
        return "?"
    if latency_ms < 999.5:
        return f"{latency_ms:.0f} ms"
    return f"{latency_ms / 1000:.1f} s"


def trace_bars(trace: Iterable[float | None], width: int) -> str:
    """Draw the last latencies, the newest at the right; unknown ones are blank."""
    return "".join(_bar(latency_ms) for latency_ms in trace)[-width:].rjust(width)


def _bar(latency_ms: float | None) -> str:
    if latency_ms is None or not 0 <= latency_ms <= MAX_LATENCY_MS:
        return " "
    share = latency_ms / FULL_BAR_MS
    return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]


def time_here(joined_at_ms: float, now_ms: float) -> str:
    """Return how long somebody has been here: ``3 min``.

    Args:
        now_ms: On the clock that the first was read from.
    """
    seconds = (now_ms - joined_at_ms) / 1000
    if -_CLOCK_SLACK_S <= seconds < 60:
        return "now"
    return describe_duration(seconds)


def spaced(code: str) -> str:
    """Return a code as it is read out, where it is short."""
    return " ".join(code) if len(code) <= LONGEST_SPACED_CODE else code


def _taken(columns: Columns) -> int:
    widths = (columns.status, columns.latency, columns.trace, columns.here)
    return sum(width + columns.gap for width in widths if width)
