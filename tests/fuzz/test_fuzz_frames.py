"""Bytes into the frame reader, held against a model that RFC 6455 alone wrote."""

from typing import Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from fuzzing import examples, no_fault_of_ours, settle
from hostile_frames import PIECES, closes, odd_frames, streams
from loudsync import ServerSettings
from loudsync.server.websocket import Ending
from memory_wire import UPGRADE, Listener, MemoryTransport, a_door, at, in_pieces
from raw_peer import CLOSE, PONG
from rfc6455 import server_frames, verdict_on

LIMIT: Final = 300
"""Small, so that what is over it comes up often."""

SETTINGS: Final = ServerSettings(max_message_bytes=LIMIT)


class Outcome(NamedTuple):
    """What became of a connection."""

    heard: list[tuple[str, str | bytes]]
    endings: list[tuple[Ending, int]]
    frames: list[tuple[int, bytes]]


async def outcome_of(
    pieces: list[bytes], settings: ServerSettings = SETTINGS
) -> Outcome:
    """Send these pieces right behind an upgrade, then hang up."""
    with no_fault_of_ours():
        listener = Listener()
        door = a_door(lambda socket: socket.handle_with(listener), settings)
        transport = MemoryTransport(at(door))
        transport.feed(UPGRADE + pieces[0])
        for piece in pieces[1:]:
            transport.feed(piece)
        await settle()
        transport.hang_up()
        await settle()
        assert transport.is_gone
        assert len(door.visitors) == 0
    answer, _, written = bytes(transport.sent).partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    frames, rest = server_frames(written)
    assert rest == b""
    return Outcome(listener.heard, listener.endings, frames)


@examples(500)
@given(data=streams() | st.binary(max_size=100), sizes=PIECES)
async def test_a_client_gets_what_the_rfc_gives_it(
    data: bytes, sizes: list[int]
) -> None:
    verdict = verdict_on(data, LIMIT)
    outcome = await outcome_of(in_pieces(data, sizes))
    assert outcome.heard == verdict.heard
    pongs = [(PONG, payload) for payload in verdict.pings]
    if verdict.goodbye is not None:
        echo = b"" if verdict.goodbye == 1005 else verdict.goodbye.to_bytes(2, "big")
        assert outcome.endings == [(Ending.PEER_CLOSED, verdict.goodbye)]
        assert outcome.frames == [*pongs, (CLOSE, echo)]
    elif verdict.may_wait and outcome.endings == [(Ending.LOST, 1006)]:
        assert outcome.frames == pongs
    else:
        ((ending, code),) = outcome.endings
        assert ending is Ending.FAULT
        assert code in verdict.faults
        *before, (opcode, goodbye) = outcome.frames
        assert before == pongs
        assert (opcode, goodbye[:2]) == (CLOSE, code.to_bytes(2, "big"))
        goodbye[2:].decode()


@examples(250)
@given(data=streams(), sizes=PIECES)
async def test_it_is_all_one_how_the_bytes_were_cut(
    data: bytes, sizes: list[int]
) -> None:
    whole = await outcome_of([data])
    cut = await outcome_of(in_pieces(data, sizes))
    assert (cut.heard, len(cut.endings)) == (whole.heard, 1)
    if not verdict_on(data, LIMIT).may_wait:
        assert cut == whole


@examples(150)
@given(first=closes() | odd_frames(), rest=streams(), sizes=PIECES)
async def test_nothing_counts_behind_an_end(
    first: bytes, rest: bytes, sizes: list[int]
) -> None:
    """What follows a close frame or a fault changes nothing at all."""
    if verdict_on(first, LIMIT).may_wait:
        return
    alone = await outcome_of([first])
    assert await outcome_of(in_pieces(first + rest, sizes)) == alone
