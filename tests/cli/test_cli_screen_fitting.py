"""What there is room for, and the traces: pure."""

import pytest
from rich.cells import cell_len

from loudsync.cli.screens.fitting import (
    MARK_WIDTH,
    fit,
    fit_columns,
    fit_rows,
    latency_words,
    spaced,
    time_here,
    trace_bars,
)
from loudsync.cli.views import TRACE_INTERVAL_S, TRACE_LENGTH, Traces
from loudsync.protocol import ConnectionStatus, MemberId
from terminal_screens import member

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@pytest.mark.parametrize("width", range(1, 200))
def test_columns_never_take_more_than_there_is(width: int) -> None:
    columns = fit_columns(width)
    widths = (columns.status, columns.latency, columns.trace, columns.here)
    taken = MARK_WIDTH + columns.name + sum(w + columns.gap for w in widths if w)
    assert columns.name >= 1
    assert taken <= max(width, MARK_WIDTH + 1)


def test_the_trace_goes_first_then_the_time_here() -> None:
    beside_the_code, narrow, tiny = (fit_columns(width) for width in (45, 37, 24))
    assert beside_the_code.trace
    assert beside_the_code.here
    assert (bool(narrow.trace), bool(narrow.here)) == (False, True)
    assert (tiny.trace, tiny.here, tiny.latency) == (0, 0, 0)
    assert tiny.status


@pytest.mark.parametrize(
    ("size", "code", "has_qr"),
    [
        ((80, 24), (33, 17), True),
        ((80, 24), (41, 21), False),
        ((75, 24), (33, 17), True),
        ((74, 24), (33, 17), False),
        ((80, 23), (33, 17), False),
        ((80, 24), None, False),
    ],
)
def test_the_code_is_there_where_it_fits(
    size: tuple[int, int], code: tuple[int, int] | None, has_qr: bool
) -> None:
    assert fit_rows(*size, 4, code).has_qr is has_qr


def test_events_have_what_members_leave_and_a_third_at_least() -> None:
    assert fit_rows(80, 24, 4, None).log == 12
    assert fit_rows(80, 24, 1_000, None).log == 6
    assert fit_rows(80, 10, 4, None).log == 0


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [
        ("Ben", 5, "Ben  "),
        ("Benjamin", 5, "Benj…"),
        ("派对派对", 5, "派对…"),
        ("派对派对", 6, "派对… "),
        ("", 2, "  "),
        ("Ben", 1, "…"),
    ],
)
def test_a_text_is_as_wide_as_it_should_be(text: str, width: int, fitted: str) -> None:
    assert fit(text, width) == fitted
    assert cell_len(fitted) == width


def test_bars_tell_good_from_bad_on_one_scale() -> None:
    assert trace_bars((0, 24.9, 25, 100, 175, 200, 9_999), 7) == "▁▁▂▅███"
    assert trace_bars((10, None, -1, 10**9), 6) == "  ▁   "
    assert trace_bars((200, 0, 200), 2) == "▁█"
    assert trace_bars((), 3) == "   "


@pytest.mark.parametrize(
    ("latency_ms", "words"),
    [
        (None, ""),
        (0, "0 ms"),
        (12.4, "12 ms"),
        (999.4, "999 ms"),
        (999.5, "1.0 s"),
        (99_999, "100.0 s"),
        (100_000, "?"),
        (-1, "?"),
        (float("nan"), "?"),
    ],
)
def test_latencies_have_a_unit(latency_ms: float | None, words: str) -> None:
    assert latency_words(latency_ms) == words


@pytest.mark.parametrize(
    ("ago_ms", "words"),
    [
        (-MINUTE_MS, "now"),
        (-MINUTE_MS - 1, "?"),
        (0, "now"),
        (MINUTE_MS - 1, "now"),
        (MINUTE_MS, "1 min"),
        (HOUR_MS - 1, "59 min"),
        (HOUR_MS, "1 h"),
        (24 * HOUR_MS, "1 d"),
        (10**15, "?"),
        (-(10**17), "?"),
    ],
)
def test_the_time_here_is_no_nonsense(ago_ms: int, words: str) -> None:
    assert time_here(10**12, 10**12 + ago_ms) == words


def test_a_short_code_can_be_read_out() -> None:
    assert spaced("k7m2xp") == "k 7 m 2 x p"
    assert spaced("friday-party") == "friday-party"


def test_traces_are_sampled_in_even_steps() -> None:
    traces, ben = Traces(), MemberId("m1")
    assert traces.sample([member(1, latency_ms=None)], 0) == {}
    assert traces.sample([member(1, latency_ms=5)], TRACE_INTERVAL_S - 0.1) == {}
    first = traces.sample([member(1, latency_ms=0)], TRACE_INTERVAL_S)
    assert first == {ben: (0,)}
    gone = member(1, latency_ms=7, status=ConnectionStatus.RECONNECTING)
    assert traces.sample([gone], 2 * TRACE_INTERVAL_S) == {ben: (0, None)}
    assert first == {ben: (0,)}, "what is on a screen stays as it is"
    for at in range(3, 50):
        last = traces.sample([member(1, latency_ms=at)], at * TRACE_INTERVAL_S)
    assert last[ben] == tuple(range(50 - TRACE_LENGTH, 50))
    assert traces.sample([], 50 * TRACE_INTERVAL_S) == {}
