"""Many connections from one address, with nothing to say (contract, section 7)."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.server.tls import load_tls
from raw_http import exchange, parse_answer
from raw_peer import PATIENCE_S, RawPeer, until
from stage import join

DATA = Path(__file__).parent / "data"

HALF_OPEN = 1000
PER_ADDRESS = 20

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def say_nothing(port: int, count: int) -> list[Stream]:
    """Open connections that send half a request head, or nothing at all."""
    streams = []
    for number in range(count):
        stream = await asyncio.open_connection("127.0.0.1", port)
        stream[1].write(b"GET / HT" if number % 2 else b"")
        streams.append(stream)
    return streams


async def read_rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionError:
        return b""


def drop(streams: list[Stream]) -> None:
    for _, writer in streams:
        writer.transport.abort()


def serve(**settings: Any) -> SessionServer:
    return SessionServer(host="127.0.0.1", port=0, settings=ServerSettings(**settings))


async def test_a_crowd_that_says_nothing_is_cut_and_guests_notice_nothing() -> None:
    async with serve(head_timeout_s=1.0) as server:
        await server.create_session("Party", session_id="abc123")
        ann = await RawPeer.connect(server.port)
        await ann.say(join("device-1"))
        assert (await ann.receive())["type"] == "welcome"
        await ann.receive()
        crowd = await say_nothing(server.port, HALF_OPEN)
        await ann.say({"type": "ping", "timestamp": 7})
        assert await ann.receive() == {"type": "pong", "timestamp": 7}
        bob = await RawPeer.connect(server.port)
        await bob.say(join("device-2"))
        assert (await bob.receive())["type"] == "welcome"
        for reader, _ in crowd:
            assert (await read_rest(reader)).startswith(b"HTTP/1.1 408 ")
        drop(crowd)
        await until(lambda: server.connection_count == 2)
        for peer in (ann, bob):
            await peer.gone()


async def test_one_address_has_so_many_connections_and_the_rest_hears_429(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serve(max_connections_per_address=PER_ADDRESS) as server:
        inside = await say_nothing(server.port, PER_ADDRESS)
        await until(lambda: server.connection_count == PER_ADDRESS)
        answer = await exchange(server.port, b"GET /healthz HTTP/1.0\r\n\r\n")
        assert (answer.status, answer.error_code) == (429, "too_many_connections")
        crowd = await say_nothing(server.port, 200)
        told = [await read_rest(reader) for reader, _ in crowd]
        assert {parse_answer(text).status for text in told if text} == {429}
        assert b"" in told, "of a large crowd most are just cut off"
        drop(crowd)
        said = [r for r in caplog.records if r.getMessage() == "address_full"]
        assert len(said) == 1, "said once, not once a connection"
        drop(inside[:1])
        await until(lambda: server.connection_count < PER_ADDRESS)
        answer = await exchange(server.port, b"GET /healthz HTTP/1.0\r\n\r\n")
        assert answer.status == 200
        drop(inside)


async def test_a_trusted_proxy_has_no_limit_but_each_of_its_guests_has() -> None:
    async with serve(
        max_connections_per_address=2, trusted_proxies=("127.0.0.1",)
    ) as server:
        upgrade = (
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "X-Forwarded-For: {}\r\n\r\n"
        )
        streams: list[Stream] = []

        async def knock(guest: str) -> int:
            stream = await asyncio.open_connection("127.0.0.1", server.port)
            streams.append(stream)
            stream[1].write(upgrade.format(guest).encode())
            async with asyncio.timeout(PATIENCE_S):
                head = await stream[0].readuntil(b"\r\n\r\n")
            return parse_answer(head).status

        assert [await knock("192.0.2.7") for _ in range(3)] == [101, 101, 429]
        assert [await knock("192.0.2.8") for _ in range(3)] == [101, 101, 429]
        drop(streams)
        await until(lambda: server.connection_count == 0)
        assert await knock("192.0.2.7") == 101
        drop(streams)


async def test_handshakes_under_way_are_connections_too() -> None:
    """Or many that never finish theirs would use up the descriptors unseen."""
    tls = load_tls(DATA / "localhost-cert.pem", DATA / "localhost-key.pem")
    async with SessionServer(
        host="127.0.0.1",
        port=0,
        settings=ServerSettings(max_connections_per_address=PER_ADDRESS),
        tls=tls,
    ) as server:
        crowd = [
            await asyncio.open_connection("127.0.0.1", server.port)
            for _ in range(PER_ADDRESS)
        ]
        await until(lambda: server.connection_count == PER_ADDRESS)
        late = [
            await asyncio.open_connection("127.0.0.1", server.port) for _ in range(100)
        ]
        # Beyond the few that may hear why after a handshake they don't make,
        # they are cut off at once.
        await until(lambda: sum(reader.at_eof() for reader, _ in late) >= 50)
        assert server.connection_count < PER_ADDRESS + 50
        drop(crowd + late)
        await until(lambda: server.connection_count == 0)


async def test_a_reader_of_http_that_stalls_is_cut() -> None:
    async with serve(http_timeout_s=1.0, max_sessions=20_000) as server:
        # More than the system's buffers take, so that the answer has to wait.
        for number in range(15_000):
            await server.create_session(
                "🎉" * 64, session_id=f"{number:064}", listed=True
            )
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect(("127.0.0.1", server.port))
            stalled.send(b"GET /sessions HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await asyncio.to_thread(stalled.recv, 100)
            assert server.connection_count == 1
            await until(lambda: server.connection_count == 0)


async def test_a_member_id_of_another_session_means_nobody_here() -> None:
    async with serve() as server:
        one = await server.create_session("One", session_id="one", remote_host=True)
        two = await server.create_session("Two", session_id="two", remote_host=True)
        hosts = []
        for session in (one, two):
            host = await RawPeer.connect(server.port)
            await host.say(join("h", session_id=session.id, token=session.host_token))
            await host.receive()
            await host.receive()
            hosts.append(host)
        for device in ("a", "b"):
            guest = await RawPeer.connect(server.port)
            await guest.say(join(device, session_id="two"))
            assert (await guest.receive())["type"] == "welcome"
            await guest.gone()
        await hosts[0].say({"type": "kicked", "memberId": "client-2"})
        refusal = await hosts[0].receive()
        assert (refusal["code"], refusal["details"]["path"]) == (
            "invalid_message",
            "$.memberId",
        )
        assert len(two.members) == 3
        for host in hosts:
            await host.gone()
