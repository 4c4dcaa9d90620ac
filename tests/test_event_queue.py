"""Events on their way to a reader: order, the bound, the end."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudsync.core.events import (
    Event,
    EventsLost,
    LatencyMeasured,
    SessionEnded,
    StateChanged,
)
from loudsync.event_queue import EventQueue
from loudsync.protocol import ConnectionState, SessionId

Queue = EventQueue[Event]


def plain(number: int) -> LatencyMeasured:
    return LatencyMeasured(latency_ms=number)


def lasting(number: int) -> StateChanged:
    return StateChanged(state=ConnectionState.CONNECTING, attempt=number)


def end() -> SessionEnded:
    return SessionEnded(session_id=SessionId("abc123"), reason="over")


def lost(count: int) -> EventsLost:
    return EventsLost(count=count)


async def rest(queue: Queue) -> list[Event]:
    """Read what waits in a queue that is closed."""
    read: list[Event] = []
    while True:
        try:
            read.append(await queue.get())
        except StopAsyncIteration:
            return read


def filled(max_events: int, *events: Event) -> Queue:
    queue: Queue = EventQueue(max_events)
    for event in events:
        queue.put(event)
    return queue


def emptied(queue: Queue) -> list[Event]:
    """Close the queue and read it, without a loop: nothing has to wait."""
    queue.close()
    coroutine = rest(queue)
    try:
        coroutine.send(None)
    except StopIteration as done:
        read: list[Event] = done.value
        return read
    raise AssertionError("a closed queue makes nobody wait")


# --- Order and the bound --------------------------------------------------------


def test_events_come_in_their_order() -> None:
    queue = filled(10, plain(1), lasting(2), plain(3))
    assert emptied(queue) == [plain(1), lasting(2), plain(3)]


def test_a_queue_that_is_just_full_loses_nothing() -> None:
    queue = filled(3, plain(1), plain(2), plain(3))
    assert emptied(queue) == [plain(1), plain(2), plain(3)]


def test_the_oldest_make_room_and_are_counted() -> None:
    queue = filled(3, *map(plain, range(4)))
    assert emptied(queue) == [lost(2), plain(2), plain(3)]
    queue = filled(3, *map(plain, range(100)))
    assert emptied(queue) == [lost(98), plain(98), plain(99)]


def test_what_tells_where_one_stands_goes_last() -> None:
    queue = filled(4, lasting(0), *map(plain, range(1, 100)))
    assert emptied(queue) == [lasting(0), lost(97), plain(98), plain(99)]


def test_counts_stand_where_events_are_missing() -> None:
    queue = filled(
        5, plain(0), plain(1), lasting(2), plain(3), plain(4), plain(5), plain(6)
    )
    assert emptied(queue) == [lost(2), lasting(2), lost(2), plain(5), plain(6)]


def test_counts_take_places_too() -> None:
    queue = filled(5, plain(0), lasting(1), plain(2), lasting(3), plain(4), plain(5))
    assert emptied(queue) == [lost(3), lasting(3), lost(1), plain(5)]


def test_when_nothing_else_is_left_even_that_goes() -> None:
    queue = filled(3, *map(lasting, range(10)))
    assert emptied(queue) == [lost(8), lasting(8), lasting(9)]


def test_the_end_always_gets_in() -> None:
    queue = filled(2, *map(lasting, range(10)), end())
    assert emptied(queue) == [lost(10), end()]


async def test_reading_makes_room() -> None:
    queue = filled(2, plain(1), plain(2))
    assert await queue.get() == plain(1)
    queue.put(plain(3))
    assert emptied(queue) == [plain(2), plain(3)]


@given(
    st.integers(2, 8),
    st.lists(st.one_of(st.just("plain"), st.just("lasting"), st.just("get"))),
)
def test_whatever_happens_every_event_is_read_or_counted(
    max_events: int, acts: list[str]
) -> None:
    queue: Queue = EventQueue(max_events)
    put: list[Event] = []
    read: list[Event] = []
    for number, act in enumerate(acts):
        if act == "get":
            if queue._events:
                try:
                    queue.get().send(None)
                except StopIteration as got:
                    read.append(got.value)
            continue
        put.append(plain(number) if act == "plain" else lasting(number))
        queue.put(put[-1])
        assert len(queue._events) <= max_events
        assert queue._events[-1] == put[-1], "the newest is never dropped"
        assert not any(
            isinstance(one, EventsLost) and isinstance(next_one, EventsLost)
            for one, next_one in zip(queue._events, queue._events[1:], strict=False)
        ), "two counts side by side are one"
    read += emptied(queue)
    # The counts stand exactly where events are missing.
    at = 0
    for event in read:
        if isinstance(event, EventsLost):
            assert event.count > 0
            at += event.count
        else:
            assert event == put[at]
            at += 1
    assert at == len(put)


# --- The end --------------------------------------------------------------------


def test_what_waits_is_read_before_the_end() -> None:
    queue = filled(3, plain(1))
    queue.close()
    queue.put(plain(2))
    assert emptied(queue) == [plain(1)]


async def test_the_end_stays_the_end() -> None:
    queue = filled(3)
    queue.close()
    queue.close(ZeroDivisionError())
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await queue.get()


async def test_an_error_is_what_the_reader_gets_each_time() -> None:
    queue = filled(3, plain(1))
    queue.close(ZeroDivisionError("why"))
    assert await queue.get() == plain(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="why"):
            await queue.get()


# --- The reader -----------------------------------------------------------------


async def test_a_reader_waits_for_news() -> None:
    queue = filled(3)
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not reader.done()
    queue.put(plain(1))
    queue.put(plain(2))
    assert await reader == plain(1)
    assert await queue.get() == plain(2)


async def test_the_end_wakes_a_reader() -> None:
    queue = filled(3)
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.close()
    with pytest.raises(StopAsyncIteration):
        await reader


async def test_there_is_one_reader_at_a_time() -> None:
    queue = filled(3)
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="iterating"):
        await queue.get()
    queue.put(plain(1))
    assert await reader == plain(1), "the first is not disturbed"


@pytest.mark.parametrize("has_news", [False, True])
async def test_a_cancelled_reader_takes_nothing(has_news: bool) -> None:
    queue = filled(3)
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    if has_news:
        queue.put(plain(1))  # it is woken, and cancelled before it runs
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    if not has_news:
        queue.put(plain(1))
    assert await queue.get() == plain(1)


async def test_a_reader_may_be_timed_out_and_come_again() -> None:
    queue = filled(3)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.001)
    queue.put(plain(1))
    assert await queue.get() == plain(1)
