"""What one connection can make the server hold, whatever it sends.

Measured with tracemalloc, which also sees what a parser in C keeps. The bound is
generous in small things and strict in the large: a few times what the
settings allow, and no word about how much was sent.
"""

import gc
import tracemalloc
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fuzzing import examples, no_fault_of_ours, settle
from hostile_frames import WireFrame
from loudsync import ServerSettings
from memory_wire import READ_BYTES, UPGRADE, Listener, MemoryTransport, a_door, at
from raw_peer import BINARY, PING, PONG, TEXT
from rfc6455 import CONTINUATION

LIMIT: Final = 16 * 1024
SETTINGS: Final = ServerSettings(
    max_message_bytes=LIMIT, max_head_bytes=LIMIT, max_outgoing_bytes=4 * LIMIT
)
FLOOD_BYTES: Final = 2 * 1024 * 1024
"""Far more than any bound here, so that what grows with it is found."""

MAX_HELD_BYTES: Final = 8 * LIMIT
"""A message in parts, the same once more while it is put together, and the
connection's own objects."""

MAX_PEAK_BYTES: Final = MAX_HELD_BYTES + 8 * LIMIT + 3 * READ_BYTES
"""For a moment also a read of the loop and what a callback makes of it, and what
waits for the collector: half of the flood, so that what grows with it is found."""

CONTENTS = st.sampled_from(["x", "é", "€", "🎉", "x🎉", "\x00"]).map(str.encode)


def a_frame(opcode: int, content: bytes, size: int, *, fin: bool) -> bytes:
    payload = (content * (size // len(content) + 1))[: size - size % len(content)]
    return WireFrame(opcode, payload, fin=fin).as_bytes()


MESSAGES = st.tuples(
    st.sampled_from([TEXT, BINARY]),
    CONTENTS,
    st.sampled_from([100, 1000, 8000, LIMIT]),
)
CONTROLS = st.tuples(
    st.sampled_from([PING, PONG]), st.just(b"x"), st.sampled_from([60, 125])
)
BEGINNINGS = st.builds(
    lambda opcode, content, size: (opcode, content, size),
    st.sampled_from([TEXT, BINARY]),
    CONTENTS,
    st.sampled_from([1, 2, 3, 4, 5, 8, 40, 500, LIMIT]),
)


async def held_after(
    data: bytes, *, reads: bool = True, head: bytes = UPGRADE
) -> tuple[int, int]:
    """Send this in reads as large as a protocol takes; what is held, and the peak.

    It is done twice and counted once: what libraries keep for good is there then.
    """
    await _send(data, reads, head)
    gc.collect()
    tracemalloc.start()
    try:
        transport = await _send(data, reads, head, hang_up=False)
        _, peak = tracemalloc.get_traced_memory()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    transport.hang_up(ConnectionResetError())
    await settle()
    if not reads:
        assert transport.sent_bytes <= SETTINGS.max_outgoing_bytes + 2 * 64 * 1024
    return held, peak


async def _send(
    data: bytes, reads: bool, head: bytes, *, hang_up: bool = True
) -> MemoryTransport:
    listener = Listener(keeps=False)
    with no_fault_of_ours():
        door = a_door(lambda socket: socket.handle_with(listener), SETTINGS)
        transport = MemoryTransport(at(door), reads=reads, keeps_sent=False)
        transport.feed(head)
        await transport.feed_in_turns(data)
        await settle()
        if hang_up:
            transport.hang_up(ConnectionResetError())
            await settle()
            assert len(door.visitors) == 0
    return transport


async def is_bounded(data: bytes, *, reads: bool = True) -> None:
    held, peak = await held_after(data, reads=reads)
    assert held <= MAX_HELD_BYTES
    assert peak <= MAX_PEAK_BYTES


@examples(6)
@given(st.lists(MESSAGES | CONTROLS, min_size=1, max_size=3), st.booleans())
async def test_a_flood_of_good_frames_leaves_nothing_behind(
    frames: list[tuple[int, bytes, int]], reads: bool
) -> None:
    unit = b"".join(a_frame(*frame, fin=True) for frame in frames)
    await is_bounded(unit * (FLOOD_BYTES // len(unit)), reads=reads)


@examples(6)
@given(BEGINNINGS)
async def test_a_message_without_end_takes_no_more_than_a_message(
    beginning: tuple[int, bytes, int],
) -> None:
    """Fragments just under the limit, and none of them the last."""
    opcode, content, size = beginning
    first = a_frame(opcode, content, size, fin=False)
    piece = a_frame(CONTINUATION, content, size, fin=False)
    each = max(1, size - size % len(content))
    await is_bounded(first + piece * (LIMIT // each - 1))


@pytest.mark.parametrize("width", [2, 8])
async def test_a_frame_that_claims_much_takes_nothing(width: int) -> None:
    claims = LIMIT if width == 2 else (1 << 63) - 1
    data = WireFrame(BINARY, b"x" * 100, width=width, claims=claims).as_bytes()
    await is_bounded(data)


@examples(5)
@given(st.binary(min_size=1, max_size=30))
async def test_a_head_without_end_is_not_kept(unit: bytes) -> None:
    head, flood = b"GET / HTTP/1.1\r\n", unit * (FLOOD_BYTES // len(unit))
    assume(b"\r\n\r\n" not in head + flood)
    held, peak = await held_after(flood, head=head)
    assert held <= LIMIT
    assert peak <= LIMIT + 3 * READ_BYTES, "a read, its copy, and what that grew by"
