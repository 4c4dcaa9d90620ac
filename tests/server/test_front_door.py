"""One port for everybody: heads, upgrades, refusals (contract, sections 2, 7)."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.server.request_head import parse_head
from memory_wire import HeardHttp, MemoryTransport, a_door, at
from raw_http import Answer, parse_answer
from raw_peer import PATIENCE_S, TEXT, RawPeer, frame, until

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
RFC_6455_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def upgrade(path: str = "/ws", **headers: str) -> bytes:
    """Write an upgrade request; an empty value leaves the header out."""
    fields = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": KEY,
        **headers,
    }
    lines = [f"{name.replace('_', '-')}: {v}" for name, v in fields.items() if v]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


async def answer_to(port: int, request: bytes) -> Answer:
    """Send bytes, read one response to its end; an upgrade's ends with its head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            is_upgrade = parse_answer(head).status == 101
            return parse_answer(head + (b"" if is_upgrade else await reader.read()))
    finally:
        writer.transport.abort()


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[SessionServer]:
    numbers = ServerSettings(**settings)
    async with SessionServer(host="127.0.0.1", port=0, settings=numbers) as server:
        yield server


@pytest.mark.parametrize("path", ["/", "/ws", "/ws?session=abc", "/?x"])
async def test_both_paths_lead_to_a_socket(server: SessionServer, path: str) -> None:
    status, headers, _ = await answer_to(server.port, upgrade(path))
    assert status == 101
    assert headers["upgrade"] == "websocket"
    expected = base64.b64encode(hashlib.sha1(KEY.encode() + RFC_6455_GUID).digest())
    assert headers["sec-websocket-accept"] == expected.decode()


async def test_a_head_may_come_byte_by_byte(server: SessionServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for byte in upgrade():
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    writer.transport.abort()


@pytest.mark.parametrize(
    "headers",
    [
        {"Connection": "keep-alive, Upgrade"},  # Firefox
        {"Connection": "upgrade", "Upgrade": "WebSocket"},
        {"Sec_WebSocket_Extensions": "permessage-deflate"},
        {"Sec_WebSocket_Protocol": "chat", "Cookie": "a=b; c=d"},
        {"X_Long": "x" * 8000},
    ],
)
async def test_what_browsers_send_is_welcome(
    server: SessionServer, headers: dict[str, str]
) -> None:
    status, answered, _ = await answer_to(server.port, upgrade(**headers))
    assert status == 101
    assert "sec-websocket-extensions" not in answered
    assert "sec-websocket-protocol" not in answered


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Connection": "close"}, 400),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Key": "!" * 24}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": ""}, 426),
    ],
)
async def test_a_wrong_upgrade_is_refused_with_the_reason(
    server: SessionServer, headers: dict[str, str], status: int
) -> None:
    answered, fields, body = await answer_to(server.port, upgrade(**headers))
    assert answered == status
    assert msgspec.json.decode(body)["error"]["code"] == "invalid_request"
    if status == 426:
        assert fields["sec-websocket-version"] == "13"


async def test_an_upgrade_elsewhere_is_not_found(server: SessionServer) -> None:
    status, _, body = await answer_to(server.port, upgrade("/elsewhere"))
    assert status == 404
    assert msgspec.json.decode(body)["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "junk",
    [
        b"CONNECT  HTTP/1.1\r\n\r\n",  # no target
        b"hello\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    ],
)
async def test_junk_is_a_bad_request(server: SessionServer, junk: bytes) -> None:
    status, _, body = await answer_to(server.port, junk)
    assert status == 400
    assert msgspec.json.decode(body)["error"]["code"] == "invalid_request"


def _head_of(size: int) -> bytes:
    """Write a request for /healthz whose head has this many bytes before its end."""
    start = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    lines = []
    left = size - len(start)
    while left:
        line = min(left, 4000) if left - min(left, 4000) != 1 else min(left, 3999)
        lines.append(b"X: " + b"x" * (line - 5))
        left -= line
    return start + b"\r\n".join(lines) + b"xx\r\n\r\n"


async def test_a_head_of_the_limit_passes(server: SessionServer) -> None:
    head = _head_of(16 * 1024)
    assert head.find(b"\r\n\r\n") == 16 * 1024
    status, _, _ = await answer_to(server.port, head)
    assert status == 200


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_head_of_the_limit_may_end_in_another_piece(cut: int) -> None:
    head = _head_of(16 * 1024)
    door = a_door(lambda _: None, ServerSettings())
    transport = MemoryTransport(at(door))
    transport.feed(head[:-cut])
    transport.feed(head[-cut:])
    http = transport.get_protocol()
    assert isinstance(http, HeardHttp)
    assert http.data == head


async def test_a_head_over_the_limit_is_refused(server: SessionServer) -> None:
    status, _, body = await answer_to(server.port, _head_of(16 * 1024 + 1))
    assert status == 431
    assert msgspec.json.decode(body)["error"]["code"] == "head_too_large"


async def test_a_head_without_end_is_refused(server: SessionServer) -> None:
    status, _, _ = await answer_to(server.port, b"GET / HTTP/1.1\r\nX: " + b"x" * 99999)
    assert status == 431


async def test_a_slow_head_is_refused() -> None:
    async with served(head_timeout_s=0.05) as server:
        status, _, body = await answer_to(server.port, b"GET / HTTP/1.1\r\n")
        assert status == 408
        assert msgspec.json.decode(body)["error"]["code"] == "request_timeout"


@pytest.mark.parametrize("expected", [b"a miracle", b"\x80"])
async def test_an_odd_expectation_is_refused(
    server: SessionServer, expected: bytes
) -> None:
    head = b"POST /sessions HTTP/1.1\r\nHost: x\r\nExpect: %b\r\n\r\n" % expected
    status, _, body = await answer_to(server.port, head)
    assert status == 417
    assert msgspec.json.decode(body)["error"]["code"] == "invalid_request"


async def test_a_full_server_says_503_and_recovers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served(max_connections=2) as server:
        guests = [await RawPeer.connect(server.port) for _ in range(2)]
        for request in (upgrade(), b"GET /healthz HTTP/1.1\r\n\r\n"):
            status, _, body = await answer_to(server.port, request)
            assert status == 503
            assert msgspec.json.decode(body)["error"]["code"] == "too_many_connections"
        full = [r for r in caplog.records if r.getMessage() == "connections_full"]
        assert len(full) == 1, "said once, not once a connection"
        await guests[0].hang_up()
        await until(lambda: server.connection_count < 2)
        status, _, _ = await answer_to(server.port, upgrade())
        assert status == 101
        for guest in guests:
            await guest.gone()


async def test_connections_are_counted_out_however_they_end(
    server: SessionServer,
) -> None:
    async def half_a_head() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /")
        await writer.drain()
        writer.transport.abort()

    async def wrong_frame() -> None:
        peer = await RawPeer.connect(server.port)
        peer.send_bytes(frame(TEXT, b"{}", masked=False))
        await peer.closed()
        await peer.gone()

    await half_a_head()
    await wrong_frame()
    await answer_to(server.port, b"GET /sessions HTTP/1.1\r\nHost: x\r\n\r\n")
    await answer_to(server.port, b"junk\r\n\r\n")
    peer = await RawPeer.connect(server.port)
    await peer.hang_up(1006)
    await peer.gone()
    await until(lambda: server.connection_count == 0)


def test_a_head_is_read_whatever_the_case_of_its_names() -> None:
    head = parse_head(b"GET /x HTTP/1.1\r\nHOST: A\r\nempty:\r\nhost:  B ")
    assert head is not None
    assert head.headers == {b"host": b"A, B", b"empty": b""}
    assert (head.method, head.path, head.version) == (b"GET", b"/x", b"HTTP/1.1")
