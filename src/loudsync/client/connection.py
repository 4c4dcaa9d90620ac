"""One WebSocket to a server: frames, heartbeats, silence, latency."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import aiohttp
from aiohttp import WSMsgType

from loudsync.client.clock import Clock
from loudsync.client.settings import ClientSettings
from loudsync.client.tasks import time_limit, wait_for_all
from loudsync.core import NS_PER_S
from loudsync.errors import ConnectionFailed, InvalidMessage
from loudsync.protocol import (
    ClientMessage,
    Heartbeat,
    Leave,
    Ping,
    Pong,
    ServerMessage,
    decode_server_message,
    encode,
)
from loudsync.reasons import why_closed, why_unreachable

log = logging.getLogger("loudsync.client")

CLOSE_TIMEOUT_S: Final = 2.0
"""How long a closing handshake may take: a goodbye is not worth more."""

MAX_OPEN_PINGS: Final = 16
"""PINGs whose PONG may still come; a server that never answers adds no more."""

_NS_PER_MS: Final = 1_000_000


if TYPE_CHECKING:
    _Response = aiohttp.ClientWebSocketResponse[Literal[True]]
else:
    # Older releases of aiohttp have no parameter here.
    _Response = aiohttp.ClientWebSocketResponse


class Socket(_Response):
    """aiohttp's WebSocket, with an end that doesn't wait for the peer.

    It keeps hold of the transport: aiohttp lets go of it at the closing
    handshake, and a TLS one would stay open after the program's loop.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connection = self._response.connection
        protocol = None if connection is None else connection.protocol
        self._transport = None if protocol is None else protocol.transport
        self._gone = None if protocol is None else protocol.closed
        if self._gone is not None:
            self._gone.add_done_callback(_take_result)

    def abort(self) -> None:
        """Close at once; what was not sent yet is dropped."""
        if self._transport is not None:
            self._transport.abort()
        self.let_go()

    def let_go(self) -> None:
        """Close once what was written has left; no close frame is sent."""
        self._response.close()

    async def gone(self) -> None:
        """Wait until the transport is closed; after ``abort`` it is at once."""
        if self._gone is not None:
            await wait_for_all([self._gone])


def _take_result(done: "asyncio.Future[None]") -> None:
    """Look at the result, or asyncio would report that nobody did."""
    if not done.cancelled():
        done.exception()


def open_http(tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """Make what connections are opened with; its owner closes it.

    aiohttp's own limits are off: every wait here is bounded on the client's
    clock.

    Args:
        tls: What wss is trusted by; the system's certificates where ``None``.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=True if tls is None else tls),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        ws_response_class=Socket,
    )


class Connection:
    """One attempt to talk to a server, from opening it to its end.

    Every method that meets the end of the connection raises
    ``ConnectionFailed`` with the reason. One task receives; others may send.

    Args:
        http: Where the connection is opened; stays its owner's.
        url: A ``ws`` or ``wss`` URL.
        settings: Heartbeat numbers and the largest message.
        clock: Time.

    Attributes:
        url: The same.
        awaited: What the server owes next, for the text of a timeout.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        settings: ClientSettings,
        clock: Clock,
    ) -> None:
        self.url = url
        self.awaited = "answer"
        self._http = http
        self._settings = settings
        self._clock = clock
        self._socket: Socket | None = None
        self._heard_ns = clock.monotonic_ns()
        self._is_silent = False
        self._pings: dict[int | float, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect and upgrade; cancelled, it leaves nothing open.

        Raises:
            ConnectionFailed: Nothing there, or nothing that speaks WebSocket.
        """
        try:
            socket = await self._http.ws_connect(
                self.url,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
                # A server's ping frames count as being heard, so they are
                # answered here.
                autoping=False,
                max_msg_size=self._settings.max_message_bytes,
            )
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            raise ConnectionFailed(self.url, why_unreachable(fault)) from fault
        assert isinstance(socket, Socket)  # noqa: S101 - from open_http
        self._socket = socket

    async def send(self, message: ClientMessage) -> None:
        """Send a message; cancelled, it may have been sent.

        Raises:
            ConnectionFailed: The connection is over.
        """
        text = encode(message)
        await self._write(self._open_socket().send_frame(text, WSMsgType.TEXT))

    async def receive(self) -> ServerMessage:
        """Wait for the next message; what makes no sense is skipped.

        Raises:
            ConnectionFailed: The connection is over.
        """
        socket = self._open_socket()
        while True:
            frame = await socket.receive()
            self._heard_ns = self._clock.monotonic_ns()
            match frame.type:
                case WSMsgType.TEXT:
                    try:
                        return decode_server_message(frame.data)
                    except InvalidMessage as fault:
                        log.debug("Ignored a message from %s: %s", self.url, fault)
                case WSMsgType.PING:
                    await self._write(socket.pong(frame.data))
                case WSMsgType.PONG:
                    pass
                case WSMsgType.BINARY:
                    log.debug("Ignored a binary message from %s", self.url)
                case WSMsgType.CLOSE:
                    raise self._failed(why_closed(frame.data, frame.extra or ""))
                case WSMsgType.ERROR if isinstance(frame.data, aiohttp.WebSocketError):
                    raise self._failed(f"the server broke the protocol ({frame.data})")
                case _:
                    raise self._failed(why_closed(None, ""))

    def start_beating(self) -> None:
        """Send HEARTBEAT and PING from now on, and listen for silence.

        Source: protocol v1.0, "3. HEARTBEAT" and "4. PING".
        """
        self._heard_ns = self._clock.monotonic_ns()
        self._tasks = [
            asyncio.create_task(self._beat(), name="loudsync heartbeat"),
            asyncio.create_task(self._watch(), name="loudsync silence"),
        ]

    def measure(self, pong: Pong) -> float | None:
        """Tell the round trip that a PONG ends.

        Returns:
            Milliseconds on this machine's monotonic clock, or ``None`` for a
            PONG that answers no PING of this connection.
        """
        sent_ns = self._pings.pop(pong.timestamp_ms, None)
        if sent_ns is None:
            log.debug("Ignored a PONG to no PING from %s", self.url)
            return None
        return (self._clock.monotonic_ns() - sent_ns) / _NS_PER_MS

    async def close(self) -> None:
        """Close with code 1000, which gives the seat up; bounded.

        Cancelled or too slow, the connection is dropped instead.
        """
        try:
            if self._socket is not None:
                with suppress(TimeoutError):
                    async with time_limit(self._clock, CLOSE_TIMEOUT_S):
                        await self._socket.close()
        finally:
            await self.drop()

    async def drop(self, *, leaving: bool = False) -> None:
        """End the connection at once and stop its tasks; may be repeated.

        No close frame is sent, so the server keeps the seat to come back to.

        Args:
            leaving: Send a LEAVE ahead, without waiting for anything.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                if leaving and not socket.closed:
                    await self._say_goodbye(socket)
            finally:
                socket.abort()
                await socket.gone()
        await wait_for_all(tasks)

    async def _say_goodbye(self, socket: Socket) -> None:
        leave = Leave(timestamp_ms=self._clock.unix_ms())
        with suppress(ConnectionError, TimeoutError):
            async with time_limit(self._clock, CLOSE_TIMEOUT_S):
                await socket.send_frame(encode(leave), WSMsgType.TEXT)
                socket.let_go()
                await socket.gone()

    async def _beat(self) -> None:
        with suppress(ConnectionFailed):
            while True:
                timestamp_ms = self._clock.unix_ms()
                # Two PINGs with one timestamp could not be told apart.
                while timestamp_ms in self._pings:
                    timestamp_ms += 1
                await self.send(Heartbeat(timestamp_ms=timestamp_ms))
                if len(self._pings) >= MAX_OPEN_PINGS:
                    del self._pings[next(iter(self._pings))]
                self._pings[timestamp_ms] = self._clock.monotonic_ns()
                await self.send(Ping(timestamp_ms=timestamp_ms))
                await self._clock.sleep(self._settings.heartbeat_interval_s)

    async def _watch(self) -> None:
        timeout_ns = round(self._settings.heartbeat_timeout_s * NS_PER_S)
        while (left_ns := self._heard_ns + timeout_ns - self._clock.monotonic_ns()) > 0:
            await self._clock.sleep(left_ns / NS_PER_S)
        self._is_silent = True
        if self._socket is not None:
            # Wakes whoever receives; a close frame would give the seat up.
            self._socket.abort()

    async def _write(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except ConnectionError as fault:
            raise self._failed(why_closed(None, "")) from fault

    def _open_socket(self) -> Socket:
        if self._socket is None:
            raise self._failed("it is closed")
        return self._socket

    def _failed(self, reason: str) -> ConnectionFailed:
        if self._is_silent:
            reason = f"nothing heard for {self._settings.heartbeat_timeout_s:g} s"
        return ConnectionFailed(self.url, reason)
