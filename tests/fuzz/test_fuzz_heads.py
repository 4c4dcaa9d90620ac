"""Bytes into the front door: an answer, an upgrade or a hand-over, and no more."""

from typing import Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from fuzzing import examples, no_fault_of_ours, settle
from hostile_frames import PIECES
from hostile_http import HEADER_LINES, heads, posts, upgrades
from loudsync import ServerSettings
from loudsync.server.request_head import parse_head
from loudsync.server.visitors import Visit
from loudsync.server.websocket import WebSocket
from memory_wire import HeardHttp, Listener, MemoryTransport, a_door, at, in_pieces
from raw_http import parse_answer

LIMIT: Final = 400
"""Small, so that heads come up on both sides of it."""

SETTINGS: Final = ServerSettings(max_head_bytes=LIMIT, max_message_bytes=300)
HEAD_END: Final = b"\r\n\r\n"


class Outcome(NamedTuple):
    """What became of a connection.

    Attributes:
        status: Of the answer; 101 for an upgrade, 0 for none.
        to_http: What the HTTP side got; ``None`` where it was not asked.
        endings: Ends that a WebSocket's handler heard.
    """

    status: int
    to_http: bytes | None
    endings: int


async def outcome_of(pieces: list[bytes]) -> Outcome:
    https: list[HeardHttp] = []
    listeners: list[Listener] = []

    def http(visit: Visit) -> HeardHttp:
        https.append(HeardHttp(visit))
        return https[-1]

    def accept(socket: WebSocket) -> None:
        listeners.append(Listener())
        socket.handle_with(listeners[-1])

    with no_fault_of_ours():
        door = a_door(accept, SETTINGS, http=http)
        doorway = at(door)
        transport = MemoryTransport(doorway)
        longest = max(map(len, pieces))
        for piece in pieces:
            transport.feed(piece)
            assert len(doorway._head) < LIMIT + len(HEAD_END) + longest
        await settle()
        transport.hang_up()
        await settle()
        assert transport.is_gone
        assert len(door.visitors) == 0
    assert len(https) + len(listeners) <= 1
    sent = bytes(transport.sent)
    status = parse_answer(sent).status if sent else 0
    if listeners:
        assert status == 101
        return Outcome(status, None, len(listeners[0].endings))
    if https:
        assert status == 0, "nobody else answers"
        return Outcome(0, bytes(https[0].data), 0)
    if status:
        assert parse_answer(sent).error_code
        assert status in {400, 417, 426, 431}
    return Outcome(status, None, 0)


PADDING = st.integers(330, 410).map(lambda size: b"X: " + b"y" * size + b"\r\n")
AROUND_THE_LIMIT = st.builds(
    lambda padding, rest: b"GET /x HTTP/1.1\r\n" + padding + b"\r\n" + rest,
    PADDING,
    st.binary(max_size=20),
)
REQUESTS = st.one_of(
    heads(),
    upgrades(),
    posts(),
    AROUND_THE_LIMIT,
    st.builds(lambda head, tail: head + tail, upgrades(), st.binary(max_size=40)),
    st.binary(max_size=60),
)


@examples(400)
@given(data=REQUESTS, sizes=PIECES)
async def test_a_head_is_answered_upgraded_or_handed_on(
    data: bytes, sizes: list[int]
) -> None:
    outcome = await outcome_of(in_pieces(data, sizes))
    end = data.find(HEAD_END)
    if outcome.to_http is not None:
        assert outcome.to_http == data, "every byte, in order"
    if outcome.status == 431:
        assert (end if end >= 0 else len(data)) > LIMIT
    elif end < 0:
        assert len(data) <= LIMIT + len(HEAD_END)
        assert outcome == (0, None, 0), "it waits for the rest"
    else:
        assert end <= LIMIT
        assert outcome.status or outcome.to_http is not None
    assert outcome.endings == (outcome.status == 101)


@examples(250)
@given(data=REQUESTS, sizes=PIECES)
async def test_it_is_all_one_how_a_head_was_cut(data: bytes, sizes: list[int]) -> None:
    assert await outcome_of(in_pieces(data, sizes)) == await outcome_of([data])


@examples(200)
@given(st.one_of(heads(), upgrades(), st.binary(max_size=80), HEADER_LINES))
def test_what_is_read_from_a_head_was_in_it(data: bytes) -> None:
    head = parse_head(data)
    if head is None:
        return
    assert data.startswith(b"%b %b %b" % (head.method, head.path, head.version))
    lowered = data.lower()
    for name, value in head.headers.items():
        assert name == name.strip().lower()
        assert name in lowered
        assert value == value.strip()
        assert all(part in data for part in value.split(b", "))
