"""Servers are asked for an answer and for their parties, real ones and others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

import loudsync
from loudsync import SessionServer
from loudsync.address import base_url
from loudsync.discovery.listing import MAX_LISTING_BYTES, ask_age, list_parties
from loudsync.discovery.ping import measure_round_trip
from loudsync.errors import ConnectionFailed
from loudsync.protocol import SessionId

PATIENCE_S = 20.0
SHORT_S = 0.2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def site(handler: Handler) -> AsyncIterator[str]:
    """An HTTP server that is not LoudSync's; every path is handled alike."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    place = web.TCPSite(runner, "127.0.0.1", 0)
    await place.start()
    port = runner.addresses[0][1]
    try:
        yield base_url("127.0.0.1", port, is_secure=False)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def peer(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A program that speaks whatever it wants."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def ping_fails(http: aiohttp.ClientSession, url: str, timeout_s: float) -> str:
    with pytest.raises(ConnectionFailed) as caught:
        await measure_round_trip(http, url, timeout_s=timeout_s)
    return caught.value.reason


# --- PING --------------------------------------------------------------------------


async def test_a_ping_takes_no_seat(http: aiohttp.ClientSession) -> None:
    async with loudsync.host("P", host="127.0.0.1", port=0) as party:
        url = party.join_url.partition("/?")[0]
        assert await measure_round_trip(http, url, timeout_s=PATIENCE_S) > 0
        assert len(party.members) == 1


async def test_a_closed_port(http: aiohttp.ClientSession) -> None:
    async with SessionServer(host="127.0.0.1", port=0) as server:
        url = base_url("127.0.0.1", server.port, is_secure=False)
    assert "nothing listens there" in await ping_fails(http, url, PATIENCE_S)


async def test_a_peer_that_never_answers(http: aiohttp.ClientSession) -> None:
    gone = asyncio.Event()

    async def stall(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    async with peer(stall) as url:
        assert await ping_fails(http, url, SHORT_S) == "no answer within 0.2 s"
        gone.set()


async def test_a_page_is_no_server(http: aiohttp.ClientSession) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async with site(page) as url:
        reason = await ping_fails(http, url, PATIENCE_S)
        assert "not a LoudSync server (HTTP 200)" in reason


@pytest.mark.parametrize(
    ("said", "reason"),
    [("hello", "not a LoudSync server"), (None, "closed the connection (code 1000)")],
)
async def test_another_websocket_is_no_server(
    http: aiohttp.ClientSession, said: str | None, reason: str
) -> None:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if said is not None:
            await socket.send_str(said)
            await socket.receive()
        await socket.close()
        return socket

    async with site(talk) as url:
        assert reason in await ping_fails(http, url, PATIENCE_S)


async def test_a_websocket_that_is_somewhere_else(http: aiohttp.ClientSession) -> None:
    asked: list[str] = []

    async def send_on(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with site(send_on) as url:
        assert "HTTP 302" in await ping_fails(http, url, PATIENCE_S)
    assert asked == ["/ws"]


async def test_a_server_that_answers_other_pings_only(
    http: aiohttp.ClientSession,
) -> None:
    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.send_str('{"type":"pong","timestamp":1}')
        await socket.receive()
        return socket

    async with site(talk) as url:
        assert "no answer" in await ping_fails(http, url, SHORT_S)


# --- GET /sessions -----------------------------------------------------------------


async def test_a_listing_and_an_age(http: aiohttp.ClientSession) -> None:
    async with SessionServer(host="127.0.0.1", port=0) as server:
        await server.create_session("Shown", session_id="shown", listed=True)
        await server.create_session("Hidden", session_id="hidden")
        url = base_url("127.0.0.1", server.port, is_secure=False)
        listing = await list_parties(http, url, timeout_s=PATIENCE_S)
        (party,) = listing.parties
        assert (party.id, party.name, party.member_count) == ("shown", "Shown", 1)
        # An answer's date has whole seconds.
        assert party.age_s is not None
        assert 0 <= party.age_s < PATIENCE_S
        assert ("127.0.0.1", server.port) in listing.endpoints

        hidden = SessionId("hidden")
        assert await ask_age(http, url, hidden, timeout_s=PATIENCE_S) is not None
        with pytest.raises(ConnectionFailed, match="the party is over"):
            await ask_age(http, url, SessionId("no/such"), timeout_s=PATIENCE_S)


ONE = (
    '{"sessions":[{"id":"a","name":"A","hostName":"H","memberCount":1,'
    '"maxMembers":2,"createdAt":0},{"id":"b","name":"\\u001b[2J","hostName":"H",'
    '"memberCount":1,"maxMembers":2,"createdAt":0}]}'
)


async def test_what_is_unfit_to_show_is_left_out(http: aiohttp.ClientSession) -> None:
    async def sessions(_: web.Request) -> web.Response:
        return web.Response(text=ONE, content_type="application/json")

    async with site(sessions) as url:
        listing = await list_parties(http, url, timeout_s=PATIENCE_S)
        assert [party.id for party in listing.parties] == ["a"]


@pytest.mark.parametrize("date", ["yesterday", "Wed, 99 Nov 2026 00:00:00 GMT"])
async def test_a_server_without_a_clock(http: aiohttp.ClientSession, date: str) -> None:
    async def sessions(_: web.Request) -> web.Response:
        return web.Response(text=ONE, headers={"Date": date})

    async with site(sessions) as url:
        (party,) = (await list_parties(http, url, timeout_s=PATIENCE_S)).parties
        assert party.age_s is None


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("[]", 200, "not a LoudSync server"),
        ("<html>", 200, "not a LoudSync server"),
        ("{}", 404, "HTTP 404"),
        ("[" * 100_000, 200, "not a LoudSync server"),
        ("x" * (MAX_LISTING_BYTES + 1), 200, "not a LoudSync server"),
    ],
)
async def test_other_answers(
    http: aiohttp.ClientSession, body: str, status: int, reason: str
) -> None:
    async def sessions(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status)

    async with site(sessions) as url:
        with pytest.raises(ConnectionFailed, match=reason):
            await list_parties(http, url, timeout_s=PATIENCE_S)


async def test_a_server_elsewhere_is_not_followed_to(
    http: aiohttp.ClientSession,
) -> None:
    async def sessions(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/")

    async with site(sessions) as url:
        with pytest.raises(ConnectionFailed, match="HTTP 302"):
            await list_parties(http, url, timeout_s=PATIENCE_S)


async def test_a_listing_that_never_comes(http: aiohttp.ClientSession) -> None:
    gone = asyncio.Event()

    async def stall(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await gone.wait()
        writer.close()

    async with peer(stall) as url:
        with pytest.raises(ConnectionFailed, match="no answer within"):
            await list_parties(http, url, timeout_s=SHORT_S)
        gone.set()
