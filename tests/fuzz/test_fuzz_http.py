"""Hostile requests to the HTTP side of a whole server, over a transport in memory."""

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from fuzzing import examples, no_fault_of_ours, settle
from hostile_frames import PIECES
from hostile_http import NEW_SESSION_FIELDS, PATHS, heads, posts
from loudsync import ServerSettings, SessionServer
from memory_wire import MemoryTransport, at, door_of, http_loaded, in_pieces
from raw_http import parse_answer

SETTINGS = ServerSettings(max_guesses_per_address=0, max_sessions=5)

FINE = {200, 201, 204}
REFUSED = {400, 401, 403, 404, 405, 408, 411, 413, 417, 426, 431, 501, 503}


def _post(body: object) -> bytes:
    data = msgspec.json.encode(body)
    return (
        b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
    ) + data


REQUESTS = st.one_of(
    NEW_SESSION_FIELDS.map(_post),
    NEW_SESSION_FIELDS.map(lambda fields: _post({"name": "Party", **fields})),
    posts(),
    heads(),
    st.builds(
        lambda method, path: b"%b %b HTTP/1.1\r\nHost: x\r\n\r\n" % (method, path),
        st.sampled_from([b"GET", b"DELETE"]),
        PATHS,
    ),
)


async def answers_to(pieces: list[bytes]) -> list[bytes]:
    """Send each piece on a server's connection; what it wrote on each."""
    async with SessionServer(host="127.0.0.1", port=0, settings=SETTINGS) as server:
        await server.create_session("Party", session_id="abc123", remote_host=True)
        await http_loaded(server)
        with no_fault_of_ours():
            transport = MemoryTransport(at(door_of(server)))
            for piece in pieces:
                transport.feed(piece)
            await settle()
            transport.hang_up()
            await settle()
            assert transport.is_gone
        assert server.connection_count == 0
        # Whatever came: the next one is served.
        other = MemoryTransport(at(door_of(server)))
        other.feed(b"GET /healthz HTTP/1.0\r\n\r\n")
        await settle()
        return [bytes(transport.sent), bytes(other.sent)]


@examples(200)
@given(data=REQUESTS, sizes=PIECES)
async def test_a_request_is_answered_or_cut_off_and_the_next_is_served(
    data: bytes, sizes: list[int]
) -> None:
    answer, health = await answers_to(in_pieces(data, sizes))
    assert parse_answer(health).status == 200
    if answer:
        status = parse_answer(answer).status
        event(str(status))
        assert status in FINE | REFUSED, answer
