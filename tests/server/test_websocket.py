"""Frames to messages over a real socket: RFC 6455 and the contract's section 2."""

import struct
from collections.abc import AsyncIterator

import pytest

from loudsync import ServerSettings, SessionServer
from raw_peer import BINARY, CLOSE, PING, PONG, TEXT, RawPeer, frame, until

JOIN = (
    b'{"type":"join","timestamp":1,"sessionId":"abc123",'
    b'"deviceInfo":{"id":"d1","name":"Ann","type":"client"}}'
)
CONTINUATION = 0x0
LIMIT = 16 * 1024


@pytest.fixture
async def peer(server: SessionServer) -> AsyncIterator[RawPeer]:
    peer = await RawPeer.connect(server.port)
    yield peer
    await peer.gone()


def _ping(size: int) -> bytes:
    """Write a PING message of exactly this many bytes."""
    head, tail = b'{"type":"ping","timestamp":7,"pad":"', b'"}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


async def test_a_message_in_fragments_is_put_together(peer: RawPeer) -> None:
    message = '{"type":"ping","timestamp":1,"é":"€"}'.encode()
    peer.send_frame(TEXT, message[:1], fin=False)
    for byte in message[1:-1]:
        peer.send_frame(CONTINUATION, bytes([byte]), fin=False)
    peer.send_frame(PING, b"between fragments")
    peer.send_frame(CONTINUATION, message[-1:])
    assert (await peer.receive())["type"] == "pong"


async def test_a_frame_may_come_byte_by_byte(peer: RawPeer) -> None:
    for byte in frame(TEXT, _ping(300)):
        peer.send_bytes(bytes([byte]))
    assert (await peer.receive())["type"] == "pong"


async def test_a_message_of_the_limit_passes(peer: RawPeer) -> None:
    peer.send_frame(TEXT, _ping(LIMIT))
    assert (await peer.receive())["type"] == "pong"


async def test_a_message_over_the_limit_closes_with_1009(peer: RawPeer) -> None:
    peer.send_frame(TEXT, _ping(LIMIT + 1))
    assert await peer.closed() == 1009


async def test_fragments_over_the_limit_close_with_1009(peer: RawPeer) -> None:
    peer.send_frame(TEXT, b"x" * LIMIT, fin=False)
    peer.send_frame(CONTINUATION, b"x")
    assert await peer.closed() == 1009


async def test_empty_fragments_without_end_close_with_1009(peer: RawPeer) -> None:
    peer.send_frame(TEXT, b"", fin=False)
    peer.send_bytes(frame(CONTINUATION, b"", fin=False) * (LIMIT + 1))
    assert await peer.closed() == 1009


async def test_a_giant_message_still_hears_why(peer: RawPeer) -> None:
    """The close frame must not be lost in a reset while the peer is sending."""
    peer.send_frame(TEXT, b"x" * 3_000_000)
    assert await peer.closed() == 1009


@pytest.mark.parametrize(
    "text", [b"\xff", b"\xed\xa0\x80", b'{"a":"\xc3"}', b"\xc0\xaf"]
)
async def test_invalid_utf_8_closes_with_1007(peer: RawPeer, text: bytes) -> None:
    peer.send_frame(TEXT, text)
    assert await peer.closed() == 1007


async def test_invalid_utf_8_across_fragments_closes_with_1007(peer: RawPeer) -> None:
    peer.send_frame(TEXT, b"\xe2\x82", fin=False)
    peer.send_frame(CONTINUATION, b"\x41")
    assert await peer.closed() == 1007


async def test_text_that_can_not_be_utf_8_is_refused_before_its_frame_is_whole(
    peer: RawPeer,
) -> None:
    for byte in frame(TEXT, b"caf\xff" + b"x" * 200)[:12]:
        peer.send_bytes(bytes([byte]))
    assert await peer.closed() == 1007


async def test_what_is_no_text_is_looked_at_once_it_is_whole(peer: RawPeer) -> None:
    for byte in frame(BINARY, b"caf\xff" + b"x" * 90):
        peer.send_bytes(bytes([byte]))
    assert (await peer.receive())["code"] == "invalid_message"
    for byte in b"\xa1" + frame(TEXT, b"caf\xff" + b"x" * 90)[1:]:  # a reserved bit
        peer.send_bytes(bytes([byte]))
    assert await peer.closed() == 1002


async def test_a_continuation_is_refused_before_it_is_whole_too(peer: RawPeer) -> None:
    peer.send_frame(TEXT, b"\xe2\x82", fin=False)
    peer.send_bytes(frame(CONTINUATION, b"\xac\xff" + b"x" * 50)[:9])
    assert await peer.closed() == 1007


FORBIDDEN = {
    "unmasked": frame(TEXT, b"{}", masked=False),
    "reserved bit 1": b"\xc1" + frame(TEXT, b"{}")[1:],
    "reserved bit 2": b"\xa1" + frame(TEXT, b"{}")[1:],
    "reserved bit 3": b"\x91" + frame(TEXT, b"{}")[1:],
    "reserved data opcode": frame(0x3, b""),
    "reserved control opcode": frame(0xB, b""),
    "fragmented ping": frame(PING, b"x", fin=False),
    "long ping": b"\x89\xfe\x00\x7e",
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "text in a text": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    "half a close code": frame(CLOSE, b"\x03"),
    **{
        f"close code {code}": frame(CLOSE, struct.pack("!H", code))
        for code in (0, 999, 1004, 1005, 1006, 1015, 2000, 5000)
    },
}


@pytest.mark.parametrize("wrong", FORBIDDEN.values(), ids=FORBIDDEN)
async def test_what_the_protocol_forbids_closes_with_1002(
    peer: RawPeer, wrong: bytes
) -> None:
    peer.send_bytes(wrong)
    assert await peer.closed() == 1002


async def test_a_close_reason_that_is_not_utf_8_closes_with_1007(
    peer: RawPeer,
) -> None:
    peer.send_frame(CLOSE, b"\x03\xe8\xff")
    assert await peer.closed() == 1007


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_a_close_is_answered_with_its_own_code(peer: RawPeer, code: int) -> None:
    peer.send_frame(CLOSE, struct.pack("!H", code))
    assert await peer.closed() == code


async def test_what_came_before_a_fault_is_still_done(
    peer: RawPeer, server: SessionServer
) -> None:
    """One segment with a PING, a PING and a fault: two PONGs, then 1002."""
    await server.create_session("Party", session_id="abc123")
    good = frame(TEXT, b'{"type":"ping","timestamp":1}')
    peer.send_bytes(good + good + frame(0x3, b""))
    assert [await peer.receive() for _ in range(2)] == [
        {"type": "pong", "timestamp": 1}
    ] * 2
    assert await peer.closed() == 1002


async def test_a_second_close_frame_changes_nothing(peer: RawPeer) -> None:
    goodbye = frame(CLOSE, struct.pack("!H", 1000))
    peer.send_bytes(goodbye + goodbye)
    assert await peer.closed() == 1000


async def test_nothing_is_heard_after_a_close_frame(
    peer: RawPeer, server: SessionServer
) -> None:
    session = await server.create_session("Party", session_id="abc123")
    peer.send_bytes(frame(CLOSE, struct.pack("!H", 1000)) + frame(TEXT, JOIN))
    assert await peer.closed() == 1000
    assert len(session.members) == 1


async def test_frames_right_behind_the_upgrade_are_heard(
    server: SessionServer,
) -> None:
    """A client need not wait for the 101 before it sends."""
    import asyncio

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        + frame(TEXT, _ping(9000))
    )
    await reader.readuntil(b"\r\n\r\n")
    peer = RawPeer(reader, writer)
    assert (await peer.receive())["type"] == "pong"
    await peer.gone()


async def test_a_binary_message_in_fragments_is_refused_whole(peer: RawPeer) -> None:
    peer.send_frame(BINARY, b"\xff", fin=False)
    peer.send_frame(CONTINUATION, b"\xff")
    assert (await peer.receive())["code"] == "invalid_message"


@pytest.mark.parametrize(
    "flood",
    [
        frame(PONG, b"") * 200,
        frame(PING, b"") * 200,
        frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 8000,
    ],
    ids=["pongs", "pings", "fragments"],
)
async def test_a_flood_of_what_is_no_message_is_kicked_too(flood: bytes) -> None:
    settings = ServerSettings(max_message_rate=0.01)
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        peer = await RawPeer.connect(server.port)
        peer.send_bytes(flood)
        assert (await peer.receive())["type"] == "kicked"
        assert await peer.closed() == 1008
        await peer.gone()


async def test_a_reader_that_stalls_while_it_pings_leaves_no_traceback(
    slow_reader_settings: ServerSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with SessionServer(
        host="127.0.0.1", port=0, settings=slow_reader_settings
    ) as server:
        peer = await RawPeer.connect(server.port)
        peer.stop_reading()
        peer.send_bytes(frame(PING, b"x" * 125) * 60_000)
        await until(lambda: server.stats.overflows == 1)
        await peer.gone()
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []


async def test_a_reader_that_stalls_loses_its_connection_not_its_seat(
    slow_reader_settings: ServerSettings,
) -> None:
    """Contract, section 7: the outgoing limit, then as for a network loss."""
    async with SessionServer(
        host="127.0.0.1", port=0, settings=slow_reader_settings
    ) as server:
        session = await server.create_session("P", session_id="abc123")
        async with session.events() as events:
            stalled = await RawPeer.connect(server.port)
            stalled.send_frame(TEXT, JOIN)
            await stalled.receive()
            await stalled.receive()
            stalled.stop_reading()
            for _ in range(30_000):  # each answer is a few hundred bytes
                stalled.send_frame(TEXT, b'{"type":"member_list","timestamp":1}')
            names = [type(await anext(events)).__name__ for _ in range(2)]
            assert names == ["Joined", "Reconnecting"]
        assert server.stats.overflows == 1
        await stalled.gone()
