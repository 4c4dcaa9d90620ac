"""How far away a server is: one PING, before any JOIN."""

import asyncio
import time
from typing import Any, Final, cast

import aiohttp
from aiohttp.connector import Connection

from loudsync.address import SOCKET_PATH
from loudsync.discovery.resolving import Resolver
from loudsync.errors import ConnectionFailed, InvalidMessage
from loudsync.protocol import Ping, Pong, decode_server_message, encode
from loudsync.reasons import NOT_LOUDSYNC, why_closed, why_unreachable

ANSWER_TIMEOUT_S: Final = 3.0
"""More than a phone's Wi-Fi takes to wake up, less than people wait."""

_MAX_ANSWER_BYTES: Final = 16 * 1024

_CLOSE_TIMEOUT_S: Final = 1.0

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


def open_http() -> aiohttp.ClientSession:
    """Make what servers are asked with; its owner closes it."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        connector=_Connector(
            # What it asks is about now, and each server is asked rarely.
            force_close=True,
            resolver=Resolver(),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_refuse_redirects,),
    )


class _Connector(aiohttp.TCPConnector):
    """Leaves nothing open at its end.

    aiohttp doesn't know any more of a connection that is being closed, and a
    TLS one takes its time for that: longer than the program's loop may live.
    """

    def __init__(self, *, force_close: bool, resolver: Resolver) -> None:
        super().__init__(force_close=force_close, resolver=resolver)
        self._open: dict[asyncio.Future[None], asyncio.BaseTransport] = {}

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp has it
    ) -> Connection:
        """Open a connection, and remember it until it is gone."""
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        if protocol is not None and protocol.transport is not None:
            gone = protocol.closed
            if gone is not None and gone not in self._open:
                self._open[gone] = protocol.transport
                gone.add_done_callback(self._forget)
        return connection

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Drop what is still open, and wait until it is gone."""
        await super().close(abort_ssl=abort_ssl)
        still_open = dict(self._open)
        for transport in still_open.values():
            cast("asyncio.Transport", transport).abort()
        if still_open:
            await asyncio.wait(still_open, timeout=_CLOSE_TIMEOUT_S)

    def _forget(self, gone: "asyncio.Future[None]") -> None:
        del self._open[gone]
        if not gone.cancelled():
            gone.exception()  # or asyncio would report that nobody looked


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Stay with who was asked: a browser's WebSocket follows nobody either.

    What is no WebSocket says so itself, with ``allow_redirects``.
    """
    response = await handler(request)
    if "Upgrade" in request.headers and response.status in REDIRECTS:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info, response.history, status=response.status
        )
    return response


async def measure_round_trip(
    http: aiohttp.ClientSession,
    base_url: str,
    *,
    path: str = SOCKET_PATH,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> float:
    """Open a WebSocket, send PING, and wait for its PONG.

    Anybody may do that without a seat (contract, section 2), so it shows that
    guests can come this way, proxies included, and leaves no trace.

    Args:
        base_url: The server's ``http`` or ``https`` address, without a path.
        timeout_s: How long all of it may take.

    Returns:
        The round trip in milliseconds, connecting not counted.

    Raises:
        ConnectionFailed: No LoudSync server answered; the reason says why.

    Source: protocol v1.0, "4. PING".
    """
    try:
        async with (
            asyncio.timeout(timeout_s),
            http.ws_connect(
                f"{base_url}{path}",
                max_msg_size=_MAX_ANSWER_BYTES,
                autoclose=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
            ) as socket,
        ):
            return await _ping(socket, base_url)
    except TimeoutError:
        raise ConnectionFailed(base_url, f"no answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as fault:
        raise ConnectionFailed(base_url, why_unreachable(fault)) from None


async def _ping(socket: aiohttp.ClientWebSocketResponse, base_url: str) -> float:
    timestamp_ms = int(time.time() * 1000)
    sent_ns = time.monotonic_ns()
    await socket.send_str(encode(Ping(timestamp_ms=timestamp_ms)).decode())
    while True:
        frame = await socket.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionFailed(base_url, why_closed(socket.close_code, ""))
        came_ns = time.monotonic_ns()
        try:
            message = decode_server_message(frame.data)
        except InvalidMessage:
            raise ConnectionFailed(base_url, NOT_LOUDSYNC) from None
        if isinstance(message, Pong) and message.timestamp_ms == timestamp_ms:
            return (came_ns - sent_ns) / 1e6
