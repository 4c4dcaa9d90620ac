"""The clock that tests move by hand."""

from hypothesis import given
from hypothesis import strategies as st

from loudsync.core import NS_PER_S, Moment
from loudsync.testing import ManualClock


def test_no_time_passes_by_itself() -> None:
    clock = ManualClock(unix_ms=1_000)
    assert clock.now() == clock.now() == Moment(1_000, 0)


def test_both_clocks_advance_together() -> None:
    clock = ManualClock(unix_ms=1_000)
    clock.advance(2.5)
    assert clock.monotonic_ns() == 2.5 * NS_PER_S
    assert clock.unix_ms() == 3_500
    assert clock.now() == Moment(clock.unix_ms(), clock.monotonic_ns())


def test_a_jump_moves_the_calendar_alone() -> None:
    clock = ManualClock(unix_ms=10_000)
    fired = []
    clock.call_later(1, lambda: fired.append("timer"))
    clock.jump(3600)
    clock.jump(-3601)
    assert clock.unix_ms() == 9_000
    assert clock.monotonic_ns() == 0
    assert fired == []


def test_a_timer_fires_at_its_instant_and_once() -> None:
    clock = ManualClock()
    fired: list[int] = []
    clock.call_later(1, lambda: fired.append(clock.monotonic_ns()))
    clock.advance(0.999)
    assert fired == []
    clock.advance(5)
    assert fired == [NS_PER_S]
    clock.advance(5)
    assert fired == [NS_PER_S]
    assert clock.monotonic_ns() == 10_999_000_000


def test_a_delay_of_0_waits_for_the_next_advance() -> None:
    clock = ManualClock()
    fired: list[str] = []
    clock.call_later(0, lambda: fired.append("timer"))
    assert fired == []
    clock.advance(0)
    assert fired == ["timer"]


def test_a_cancelled_timer_does_not_fire() -> None:
    clock = ManualClock()
    fired: list[str] = []
    timer = clock.call_later(1, lambda: fired.append("cancelled"))
    clock.call_later(1, lambda: fired.append("kept"))
    timer.cancel()
    clock.advance(2)
    timer.cancel()
    assert fired == ["kept"]


def test_timers_of_one_instant_fire_in_the_order_they_were_set() -> None:
    clock = ManualClock()
    fired: list[int] = []
    for number in range(5):
        clock.call_later(1, lambda number=number: fired.append(number))  # type: ignore[misc]
    clock.advance(1)
    assert fired == [0, 1, 2, 3, 4]


def test_a_timer_may_set_another_that_is_due_too() -> None:
    clock = ManualClock()
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock.monotonic_ns() / NS_PER_S)
        clock.call_later(1, tick)

    clock.call_later(1, tick)
    clock.advance(3.5)
    assert ticks == [1, 2, 3]


def test_a_timer_may_cancel_another() -> None:
    clock = ManualClock()
    fired: list[str] = []
    other = clock.call_later(2, lambda: fired.append("other"))
    clock.call_later(1, other.cancel)
    clock.advance(3)
    assert fired == []


def test_a_timer_that_raises_leaves_the_others_for_later() -> None:
    clock = ManualClock()
    fired: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    clock.call_later(1, fail)
    clock.call_later(2, lambda: fired.append("later"))
    try:
        clock.advance(5)
    except ZeroDivisionError:
        assert clock.monotonic_ns() == NS_PER_S
    clock.advance(1)
    assert fired == ["later"]


@given(
    st.lists(st.integers(0, 50), max_size=20),
    st.lists(st.integers(0, 20), max_size=10),
)
def test_however_time_passes_timers_fire_in_order(
    delays: list[int], steps: list[int]
) -> None:
    clock = ManualClock()
    fired: list[tuple[int, int]] = []
    for number, delay in enumerate(delays):
        clock.call_later(
            delay,
            lambda delay=delay, number=number: fired.append((delay, number)),  # type: ignore[misc]
        )
    for step in steps:
        clock.advance(step)
    passed = sum(steps)
    due = sorted((delay, at) for at, delay in enumerate(delays) if delay <= passed)
    # Without any step not even what is due at once has fired.
    assert fired == (due if steps else [])
    assert clock.monotonic_ns() == passed * NS_PER_S
