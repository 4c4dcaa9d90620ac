"""Servers on loopback that a guest can't join, each for another reason."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import msgspec
from aiohttp import WSMsgType, web

from loudsync.doctor import Finding, Level

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def http_server(
    handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Answer every request with this; the port."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await handler(cast("web.Request", request))

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tcp_server(greeting: bytes, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Say this to everybody and then nothing; the port."""
    open_streams: set[asyncio.StreamWriter] = set()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_streams.add(writer)
        writer.write(greeting)
        with suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_streams:
            writer.transport.abort()
        await server.wait_closed()


def as_loudsync(socket: Handler | None = None, *, date: str | None = None) -> Handler:
    """Answer page requests as LoudSync; upgrades as told, or with HTTP 400."""

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {} if date is None else {"Date": date}
        match request.path:
            case "/healthz":
                return web.json_response({"status": "ok"}, headers=headers)
            case "/sessions":
                return web.Response(body=b'{"sessions":[]}', headers=headers)
            case "/ws" if socket is not None:
                return await socket(request)
            case "/ws":
                return web.Response(status=400)
            case _:
                return web.Response(status=404)

    return answer


def socket_of_version(*supported: str) -> Handler:
    """Answer PING, and refuse every JOIN for its version."""

    async def talk(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                break
            message = msgspec.json.decode(frame.data)
            if message["type"] == "ping":
                await socket.send_json({**message, "type": "pong"})
            else:
                await socket.send_json(
                    {
                        "type": "error",
                        "timestamp": 1,
                        "code": "version_mismatch",
                        "message": "No",
                        "details": {"supported": list(supported)},
                    }
                )
        return socket

    return talk


def levels(findings: list[Finding]) -> dict[str, Level]:
    """What each check came to; the worst where it found several things."""
    order = list(Level)
    worst: dict[str, Level] = {}
    for finding in findings:
        before = worst.get(finding.check, Level.OK)
        worst[finding.check] = max(before, finding.level, key=order.index)
    return worst


def the(findings: list[Finding], check: str) -> Finding:
    """The only finding of a check."""
    [found] = [finding for finding in findings if finding.check == check]
    assert (found.level is Level.OK) == (found.advice == "")
    return found
