"""Starting and stopping: who is told what, and that nothing is left."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

import loudsync
from loudsync import ServerSettings, SessionServer
from loudsync.errors import LoudSyncError
from raw_http import exchange, parse_answer
from raw_peer import PATIENCE_S, RawPeer, until
from stage import join

LONG_GRACE_S = 30.0
"""Longer than any test may take: whoever waits for it to pass fails."""


def new_server(**settings: Any) -> SessionServer:
    numbers = ServerSettings(**{"max_message_rate": 0, **settings})
    return SessionServer(host="127.0.0.1", port=0, settings=numbers)


async def member(server: SessionServer, device: str) -> RawPeer:
    peer = await RawPeer.connect(server.port)
    await peer.say(join(device))
    assert (await peer.receive())["type"] == "welcome"
    assert (await peer.receive())["type"] == "member_list"
    return peer


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Check that the block leaves no task, and that no transport is open."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before


async def refuses_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.transport.abort()
    return False


# --- What is said at the end ----------------------------------------------------


async def test_members_are_told_then_closed() -> None:
    async with nothing_left():
        async with new_server(shutdown_grace_s=LONG_GRACE_S) as server:
            await server.create_session("P", session_id="abc123")
            ann, bob = await member(server, "device-1"), await member(server, "d2")
            assert (await ann.receive())["type"] == "member_joined"
        for peer in (ann, bob):
            told = await peer.receive()
            assert told["type"] == "session_closed"
            assert told["reason"] == "Server shutting down"
            assert await peer.closed() == 1000
            assert peer.unread() == []


async def test_a_reason_of_ones_own() -> None:
    server = new_server()
    await server.start()
    await server.create_session("P", session_id="abc123")
    ann = await member(server, "device-1")
    await server.stop("Back in five minutes")
    assert (await ann.receive())["reason"] == "Back in five minutes"
    assert await ann.closed() == 1000


async def test_who_had_not_joined_is_closed_with_1001() -> None:
    async with nothing_left():
        async with new_server(shutdown_grace_s=LONG_GRACE_S) as server:
            silent = await RawPeer.connect(server.port)
            refused = await RawPeer.connect(server.port)
            await refused.say(join("device-1", session_id="nothing"))
            assert (await refused.receive())["code"] == "session_not_found"
        for peer in (silent, refused):
            assert await peer.closed() == 1001
            assert peer.unread() == []


async def test_the_remote_host_is_told_too() -> None:
    async with new_server() as server:
        session = await server.create_session(
            "P", session_id="abc123", remote_host=True
        )
        peer = await RawPeer.connect(server.port)
        await peer.say(join("device-1", token=session.host_token))
        await peer.receive()
        await peer.receive()
    assert (await peer.receive())["type"] == "session_closed"
    assert await peer.closed() == 1000


# --- Nobody can hold it up ------------------------------------------------------


async def test_a_peer_that_does_not_read_can_not_hold_up_the_end() -> None:
    async with nothing_left():
        async with new_server(
            shutdown_grace_s=0.05, max_outgoing_bytes=64 * 1024 * 1024
        ) as server:
            session = await server.create_session("P", session_id="abc123")
            stalled = await member(server, "device-1")
            stalled.stop_reading()
            # More than the kernel takes in: the end has to wait behind it.
            for _ in range(30_000):
                await stalled.say({"type": "member_list"})
            await until(lambda: server.stats.frames_out > 30_000)
        assert session.is_closed
        await stalled.gone()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nHo",
        b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{",
    ],
)
async def test_half_a_request_can_not_hold_up_the_end(begun: bytes) -> None:
    async with nothing_left():
        async with new_server(shutdown_grace_s=0.05) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(begun)
            await until(lambda: server.connection_count == 1)
        await _gone(reader)
        writer.transport.abort()


async def test_a_grace_of_0_still_says_goodbye() -> None:
    async with new_server(shutdown_grace_s=0) as server:
        await server.create_session("P", session_id="abc123")
        ann = await member(server, "device-1")
    assert (await ann.receive())["type"] == "session_closed"
    await ann.closed()


async def test_cancelled_while_it_waits_it_ends_all_the_same() -> None:
    async with nothing_left():
        server = new_server(shutdown_grace_s=LONG_GRACE_S)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: server.connection_count == 1)
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        await _gone(reader)
        assert await refuses_connections(server.port)
        writer.transport.abort()


# --- While it ends --------------------------------------------------------------


async def test_who_comes_during_the_end_gets_503() -> None:
    server = new_server(shutdown_grace_s=LONG_GRACE_S)
    await server.start()
    port = server.port
    early = await asyncio.open_connection("127.0.0.1", port)
    upgrading = await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: server.connection_count == 2)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    for path in ("/healthz", "/readyz", "/", "/ws", "/sessions"):
        answer = await exchange(
            port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        assert (answer.status, answer.error_code) == (503, "shutting_down")
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    for (reader, writer), request in ((early, head), (upgrading, upgrade)):
        writer.write(request + b"\r\n")
        data = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert parse_answer(data).error_code == "shutting_down"
        writer.transport.abort()
    await asyncio.wait_for(stopping, PATIENCE_S)
    assert await refuses_connections(port)


async def test_a_request_under_way_is_refused_during_the_end() -> None:
    """Its head came before, its body after."""
    server = new_server(shutdown_grace_s=LONG_GRACE_S)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = b'{"name":"P"}'
    writer.write(
        b"POST /sessions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Length: 12\r\n\r\n"
    )
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    writer.write(body)
    data = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert parse_answer(data).error_code == "shutting_down"
    await asyncio.wait_for(stopping, PATIENCE_S)
    writer.transport.abort()


async def test_nothing_can_be_created_during_the_end() -> None:
    server = new_server(shutdown_grace_s=LONG_GRACE_S)
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await until(lambda: server.connection_count == 1)
    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    with pytest.raises(LoudSyncError, match="does not run"):
        await server.create_session("P")
    writer.transport.abort()
    await asyncio.wait_for(stopping, PATIENCE_S)


# --- Nothing is left ------------------------------------------------------------


async def test_start_and_stop_again_and_again() -> None:
    async with nothing_left():
        server = new_server()
        for _ in range(5):
            async with server:
                assert server.sessions() == []
                assert server.stats.joins == 0
                await server.create_session("P", session_id="abc123")
                ann = await member(server, "device-1")
                answer = await exchange(
                    server.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                )
                assert answer.status == 200
            assert await ann.closed() == 1000
            assert await refuses_connections(server.port)


async def test_stop_can_be_repeated() -> None:
    server = new_server()
    await server.start()
    await asyncio.gather(server.stop(), server.stop())
    await server.stop()


async def test_every_connection_is_counted_out() -> None:
    async with nothing_left(), new_server() as server:
        await server.create_session("P", session_id="abc123")
        ann = await member(server, "device-1")
        bob = await member(server, "device-2")
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await until(lambda: server.connection_count == 3)
        await ann.hang_up()
        await bob.gone()
        writer.close()
        await until(lambda: server.connection_count == 0)


async def test_cancelled_in_the_block_leaves_nothing() -> None:
    async with nothing_left():
        inside = asyncio.Event()
        peers = []

        async def give_a_party() -> None:
            async with loudsync.host(
                "P", host="127.0.0.1", port=0, session_id="abc123"
            ) as party:
                port = int(party.join_url.split(":")[2].split("/")[0])
                peers.append(await RawPeer.connect(port))
                await peers[0].say(join("device-1"))
                await peers[0].receive()
                await peers[0].receive()
                inside.set()
                async for _ in party:
                    pass

        giving = asyncio.create_task(give_a_party())
        await asyncio.wait_for(inside.wait(), PATIENCE_S)
        giving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving
        assert (await peers[0].receive())["type"] == "session_closed"
        assert await peers[0].closed() == 1000


async def test_cancelled_while_starting_leaves_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for turns in range(8):
        async with nothing_left():
            server = SessionServer(host="127.0.0.1", port=port)
            starting = asyncio.create_task(server.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            await asyncio.wait([starting])
            if not starting.cancelled():
                await server.stop()
            assert await refuses_connections(port)


async def test_a_start_that_failed_can_be_tried_again() -> None:
    async with new_server() as first:
        second = SessionServer(host="127.0.0.1", port=first.port)
        with pytest.raises(LoudSyncError, match="in use"):
            await second.start()
    async with second:
        assert second.port == first.port


async def test_two_servers_know_nothing_of_each_other() -> None:
    async with new_server() as one, new_server() as other:
        assert one.port != other.port
        await one.create_session("P", session_id="abc123")
        ann = await member(one, "device-1")
        stray = await RawPeer.connect(other.port)
        await stray.say(join("device-1"))
        assert (await stray.receive())["code"] == "session_not_found"
        assert (one.stats.joins, other.stats.joins) == (1, 0)
        texts = []
        for server in (one, other):
            url = f"http://127.0.0.1:{server.port}/metrics"
            async with aiohttp.ClientSession() as http, http.get(url) as answer:
                texts.append(await answer.text())
        assert "loudsync_sessions 1.0" in texts[0]
        assert "loudsync_sessions 0.0" in texts[1]
        for peer in (ann, stray):
            await peer.gone()


async def _gone(reader: asyncio.StreamReader) -> None:
    """Wait until the server has ended a connection, whatever it said before."""
    try:
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        return
