"""What a connection is owed within one turn of the loop leaves in one write."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from loudsync.server.frames import close_frame, text_frame
from loudsync.server.websocket import Ending, WebSocket, WriteTurn


class CountingTcp:
    """A TCP transport that keeps each write apart."""

    def __init__(self, waiting: int = 0) -> None:
        self.writes: list[bytes] = []
        self.waiting = waiting
        self.was_aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.was_aborted

    def abort(self) -> None:
        self.was_aborted = True


class Heard:
    """A handler that notes the end."""

    def __init__(self) -> None:
        self.endings: list[tuple[Ending, int]] = []

    def ended(self, ending: Ending, code: int) -> None:
        self.endings.append((ending, code))


def opened(tcp: CountingTcp, *, limit: int = 1000) -> tuple[WebSocket, Heard]:
    turn = WriteTurn(asyncio.get_running_loop())
    socket = WebSocket(
        turn,
        max_message_bytes=100,
        max_outgoing_bytes=limit,
        on_closed=lambda: None,
    )
    heard = Heard()
    socket.handle_with(cast("Any", heard))
    socket.open(cast("Any", tcp), b"key")
    tcp.writes.clear()  # the answer to the upgrade
    return socket, heard


async def next_turn() -> None:
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_one_write_a_turn() -> None:
    tcp = CountingTcp()
    socket, _ = opened(tcp)
    frames = [text_frame(b"%d" % number) for number in range(16)]
    for each in frames:
        socket.send(each)
    assert tcp.writes == []
    await next_turn()
    assert tcp.writes == [b"".join(frames)]
    socket.send(frames[0])
    await next_turn()
    assert tcp.writes[1:] == [frames[0]]


async def test_much_in_one_turn_is_written_early() -> None:
    tcp = CountingTcp()
    socket, _ = opened(tcp, limit=10_000_000)
    for _ in range(3):
        socket.send(text_frame(b"x" * 60_000))
    assert len(tcp.writes) == 1
    await next_turn()
    assert sum(map(len, tcp.writes)) == 3 * 60_004


async def test_a_backlog_may_grow_by_the_limit_and_no_further() -> None:
    tcp = CountingTcp()
    socket, heard = opened(tcp, limit=1000)
    first = text_frame(b"x" * 5000)  # one list may be larger than the limit
    socket.send(first)
    socket.flush()
    assert tcp.writes == [first]
    tcp.waiting = len(first) + 990
    socket.send(b"12345678")
    socket.flush()
    assert len(tcp.writes) == 2, "up to the limit"
    tcp.waiting = len(first) + 998
    socket.send(b"123")
    socket.flush()
    assert len(tcp.writes) == 2, "one byte over it"
    assert tcp.was_aborted
    assert heard.endings == [(Ending.OVERFLOW, 1006)]


async def test_a_backlog_that_drained_starts_anew() -> None:
    tcp = CountingTcp()
    socket, heard = opened(tcp, limit=10)
    for _ in range(50):
        socket.send(text_frame(b"x" * 9))
        socket.flush()
    assert len(tcp.writes) == 50
    assert heard.endings == []


class StillLoop:
    """A loop whose clock is the test's, and which runs nothing by itself."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.soon: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    def time_s(self) -> float:
        return self.now_s

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_at(self, when_s: float, callback: Callable[[], None]) -> None:
        self.later.append((when_s, callback))


class Receiver:
    """A socket that counts how often it is written, which takes a moment."""

    def __init__(self, loop: StillLoop, *, is_faulty: bool = False) -> None:
        self.writes = 0
        self.was_aborted = False
        self._loop = loop
        self._is_faulty = is_faulty

    def flush(self) -> None:
        if self._is_faulty:
            raise RuntimeError("a fault of ours")
        self.writes += 1
        self._loop.now_s += 0.001

    def abort(self) -> None:
        self.was_aborted = True


def a_turn(loop: StillLoop) -> WriteTurn:
    return WriteTurn(cast("Any", loop), loop.time_s)


@pytest.mark.parametrize(
    ("receivers", "waits"), [(1, False), (100, False), (101, True)]
)
def test_after_a_crowd_the_next_turn_waits(receivers: int, waits: bool) -> None:
    loop = StillLoop()
    turn = a_turn(loop)
    crowd = [Receiver(loop) for _ in range(receivers)]
    for receiver in crowd:
        turn.add(cast("Any", receiver))
    (flush,) = loop.soon
    assert not loop.later, "the first broadcast never waits"
    flush()
    assert {receiver.writes for receiver in crowd} == {1}
    turn.add(cast("Any", crowd[0]))
    assert (len(loop.soon), len(loop.later)) == ((1, 1) if waits else (2, 0))
    for when_s, _ in loop.later:
        assert when_s - loop.now_s == pytest.approx(receivers * 0.001), "as long again"


def test_a_fault_in_one_write_costs_nobody_else_theirs() -> None:
    loop = StillLoop()
    turn = a_turn(loop)
    before, faulty, behind = (
        Receiver(loop),
        Receiver(loop, is_faulty=True),
        Receiver(loop),
    )
    for receiver in (before, faulty, behind):
        turn.add(cast("Any", receiver))
    loop.soon[0]()
    assert (before.writes, behind.writes) == (1, 1)
    assert faulty.was_aborted


def test_long_after_a_crowd_nobody_waits() -> None:
    loop = StillLoop()
    turn = a_turn(loop)
    for _ in range(1000):
        turn.add(cast("Any", Receiver(loop)))
    loop.soon[0]()
    loop.now_s += 10
    turn.add(cast("Any", Receiver(loop)))
    assert not loop.later


async def test_after_the_end_nothing_is_written() -> None:
    tcp = CountingTcp()
    socket, _ = opened(tcp)
    socket.abort()
    socket.send(b"too late")
    await next_turn()
    assert tcp.writes == []


def test_a_close_reason_is_cut_between_characters() -> None:
    cut = close_frame(1000, "é" * 100)
    assert len(cut) == 2 + 2 + 122
    assert cut[4:].decode() == "é" * 61
