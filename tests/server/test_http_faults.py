"""Whatever comes in over HTTP: no traceback in the log, and the server lives on."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest

from loudsync import ServerSettings, SessionServer
from raw_http import exchange
from raw_peer import PATIENCE_S, until

POST = b"POST /sessions HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CREATE = b'{"name":"P"}'

GARBAGE = {
    "binary": (bytes(range(256)) * 4 + b"\r\n\r\n",),
    "tls hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",),
    "no version": (b"GET /\r\n\r\n",),
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",),
    "http/9": (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",),
    "no colon": (b"GET / HTTP/1.1\r\nHost\r\n\r\n",),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",),
    "nul in header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",),
    "bare cr": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",),
    "odd header name": (b"GET / HTTP/1.1\r\nHost: x\r\n\xff{}: b\r\n\r\n",),
    "absolute junk": (b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",),
    "connect": (b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n",),
    "odd path": (b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",),
    "odd escape": (b"GET /sessions/%zz%f HTTP/1.1\r\nHost: x\r\n\r\n",),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",),
    "bad length": (POST + b"Content-Length: many\r\n\r\n",),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n",),
    "length and chunks": (POST + CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n",),
    "unknown coding": (POST + b"Transfer-Encoding: magic\r\n\r\n",),
    "bad chunk at once": (POST + CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n",),
    "bad chunk later": (POST + CHUNKED + b"\r\n", b"zz\r\nabc\r\n0\r\n\r\n"),
    "bad chunk at last": (
        POST + CHUNKED + b"\r\nc\r\n" + CREATE + b"\r\n",
        b"zz\r\n\r\n",
    ),
    "bad chunk unread": (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + CHUNKED + b"\r\n",
        b"3\r\nabc\r\n",
        b"zz\r\n\r\n",
    ),
    "endless chunk size": (POST + CHUNKED + b"\r\n" + b"f" * 400 + b"\r\n",),
    "bad trailer": (POST + CHUNKED + b"\r\nc\r\n" + CREATE + b"\r\n0\r\n\x00\r\n\r\n",),
    "broken gzip": (POST + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",),
    "broken gzip later": (
        POST + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n",
        b"abcd",
    ),
    "broken gzip unread": (
        (
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: 4\r\n\r\n"
        ),
        b"abcd",
    ),
    "gzip without end": (
        POST + b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n",
        gzip.compress(CREATE)[:12],
    ),
    "unknown encoding": (
        POST + b"Content-Encoding: magic\r\nContent-Length: 4\r\n\r\nabcd",
    ),
    "unknown expectation": (
        POST + b"Expect: wonders\r\nContent-Length: 12\r\n\r\n" + CREATE,
    ),
    "upgrade elsewhere": (
        (
            b"GET /sessions HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        b"\x81\x80abcd",
    ),
    "upgrade to h2c": (
        (
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n"
            b"Connection: Upgrade\r\n\r\n"
        ),
        b"\x00" * 100,
    ),
    "posted upgrade": (
        POST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Content-Length: 4\r\n\r\nabcd",
    ),
    "bad host": (b"GET /sessions HTTP/1.1\r\nHost: \xff:x:y\r\n\r\n",),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n",),
    "http/1.0": (b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",),
    "odd cookie": (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: =\xff;;,=\r\n\r\n",),
    "range": (b"GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=5-1\r\n\r\n",),
    "pipelined": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50,),
    "pipelined junk": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\x00\xff\r\n\r\n",),
    "more than its length": (
        POST + b"Content-Length: 12\r\n\r\n" + CREATE + b"\x00" * 40_000,
    ),
}


@pytest.fixture
async def server() -> AsyncIterator[SessionServer]:
    """One that soon gives up on a body."""
    settings = ServerSettings(head_timeout_s=0.3)
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        yield server


def no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    for record in caplog.records:
        assert record.exc_info is None, record
        assert record.levelno < logging.ERROR, record


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_answered_or_dropped(
    server: SessionServer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    answer = await exchange(server.port, *GARBAGE[name], to_the_end=False)
    assert answer.status < 500
    assert answer.headers["connection"] == "close"
    if answer.status >= 400:
        assert answer.error_code
        assert "Traceback" not in answer.body.decode()
    await _lives_on(server)
    no_traceback(caplog)


async def test_one_request_per_connection(server: SessionServer) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    answer = await exchange(server.port, request)
    assert answer.headers["connection"] == "close"
    assert answer.json() == {"status": "ok"}


async def test_only_the_first_of_pipelined_requests_is_answered(
    server: SessionServer,
) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    second = POST + b"Content-Length: 12\r\n\r\n" + CREATE
    answer = await exchange(server.port, head + second)
    assert answer.json() == {"status": "ok"}, "and nothing behind it"
    assert server.sessions() == []


async def test_expect_100_continue_is_heard(server: SessionServer) -> None:
    """curl asks so before it sends a larger body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(POST + b"Expect: 100-continue\r\nContent-Length: 12\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(CREATE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")
    writer.transport.abort()


@pytest.mark.parametrize(
    "request_begun",
    [
        b"",
        b"GET / HT",
        POST + b"Content-Length: 12\r\n\r\n",
        POST + b"Content-Length: 12\r\n\r\n" + CREATE[:5],
        POST + CHUNKED + b"\r\nc\r\n" + CREATE[:5],
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
@pytest.mark.parametrize("how", ["reset", "end", "half closed"])
async def test_hanging_up_half_way_leaves_nothing(
    server: SessionServer,
    caplog: pytest.LogCaptureFixture,
    request_begun: bytes,
    how: str,
) -> None:
    before = asyncio.all_tasks()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request_begun)
    await until(lambda: server.connection_count == 1)
    if how == "half closed":
        writer.write_eof()
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    elif how == "end":
        writer.close()
    else:
        writer.transport.abort()
    await until(lambda: server.connection_count == 0)
    await until(lambda: asyncio.all_tasks() <= before)
    writer.transport.abort()
    await _lives_on(server)
    no_traceback(caplog)
    assert server.sessions() == []


async def test_a_client_that_reads_nothing_is_dropped_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = ServerSettings(shutdown_grace_s=0.05)
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(POST + b"Content-Length: 12\r\n\r\n")
        await until(lambda: server.connection_count == 1)
    writer.transport.abort()
    no_traceback(caplog)


async def _lives_on(server: SessionServer) -> None:
    url = f"http://127.0.0.1:{server.port}/healthz"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
