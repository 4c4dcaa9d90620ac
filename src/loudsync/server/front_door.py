"""One port for everybody: reads the request head, then hands the transport on.

A WebSocket upgrade gets a ``WebSocket``, any other request aiohttp.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol, cast

from loudsync.server.addresses import ProxyTrust
from loudsync.server.head_timeouts import HeadTimeouts
from loudsync.server.lingering import Lingerer
from loudsync.server.origins import OriginRule
from loudsync.server.refusals import (
    BIG_HEAD,
    FOREIGN_ORIGIN,
    ODD_EXPECTATION,
    SHUTTING_DOWN,
    SLOW_HEAD,
    Refusal,
    bad_request,
)
from loudsync.server.request_head import RequestHead, parse_head, upgrade_fault
from loudsync.server.settings import ServerSettings
from loudsync.server.visitors import Visit, Visitors
from loudsync.server.websocket import WebSocket, WriteTurn

_HEAD_END: Final = b"\r\n\r\n"


class HttpSide(Protocol):
    """Who serves what asks for no WebSocket."""

    def __call__(self, visit: Visit) -> asyncio.Protocol:
        """Make the protocol of one connection; it ends the visit at its end."""


class FrontDoor:
    """Lets connections in, as many as there may be.

    Args:
        accept: Gets each new WebSocket and who visits with it; says who
            handles it.
        http: Serves every other request.

    Attributes:
        is_open: Whether anybody is let in; false while shutting down.
        is_shut: Whether nobody is even told so any more.
        visitors: Who is connected.
        timeouts: Ends connections whose request head takes too long.
        tls: What connections are secured with from now on; ``None``: plain.
    """

    def __init__(
        self,
        settings: ServerSettings,
        accept: Callable[[WebSocket, Visit], None],
        http: HttpSide,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.settings = settings
        self.is_open = True
        self.is_shut = False
        self.tls = tls
        self.visitors = Visitors(
            settings.max_connections,
            settings.max_connections_per_address,
            ProxyTrust(settings.trusted_proxies),
        )
        self._accept = accept
        self._http = http
        self._origins = OriginRule(settings.allowed_origins, settings.public_url)
        self.timeouts = HeadTimeouts(settings.head_timeout_s)
        self._turn = WriteTurn(asyncio.get_running_loop())

    def shut(self) -> None:
        """Drop who is here, and who the system has accepted but not handed over."""
        self.is_shut = True
        self.visitors.abort_all()

    def refusal_of(self, head: RequestHead, visit: Visit) -> Refusal | None:
        """Say why a request is not served; ``None`` where it is."""
        if not self.is_open:
            return SHUTTING_DOWN
        if not self._origins.lets_in(head.text(b"origin"), head.text(b"host")):
            return FOREIGN_ORIGIN
        if head.headers.get(b"expect", b"100-continue").lower() != b"100-continue":
            return ODD_EXPECTATION
        refusal = visit.came_through(head.text(b"x-forwarded-for"))
        if refusal is None and head.wants_socket:
            refusal = upgrade_fault(head)
        return refusal

    def open_socket(
        self, transport: asyncio.Transport, visit: Visit, key: bytes, rest: bytes
    ) -> None:
        """Upgrade a connection; ``rest`` is what came behind its request."""
        settings = self.settings
        socket = WebSocket(
            self._turn,
            max_message_bytes=settings.max_message_bytes,
            max_outgoing_bytes=settings.max_outgoing_bytes,
            on_closed=visit.end,
        )
        self._accept(socket, visit)
        socket.open(transport, key, rest)

    def open_http(
        self, transport: asyncio.Transport, visit: Visit, data: bytes
    ) -> None:
        """Serve a connection over HTTP, with what was read of it so far."""
        protocol = self._http(visit)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)


class Doorway(asyncio.Protocol):
    """A connection whose request head is not complete yet.

    Args:
        visit: Who it is, where that was asked before; else the transport tells.
    """

    __slots__ = ("_door", "_head", "_is_waiting", "_transport", "_visit")

    def __init__(self, door: FrontDoor, visit: Visit | None = None) -> None:
        self._door = door
        self._visit = visit
        self._head = b""
        self._is_waiting = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head, for so long; or say that there is no room."""
        # A stream's transport, though uvloop's is no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        visit = self._visit
        if visit is None:
            peer = transport.get_extra_info("peername")
            visit = self._visit = self._door.visitors.enter(
                _address(peer), lambda: _descriptor(transport)
            )
        visit.transport = self._transport
        if self._door.is_shut:
            self._transport.abort()
        elif not self._door.is_open:
            self._refuse(SHUTTING_DOWN)
        elif visit.refusal is not None:
            self._refuse(visit.refusal)
        else:
            self._is_waiting = True
            self._door.timeouts.add(self.took_too_long)

    def took_too_long(self) -> None:
        """Refuse a connection whose head is not here in time."""
        self._refuse(SLOW_HEAD)

    def data_received(self, data: bytes) -> None:
        """Take a piece of the head; hand over once it is whole."""
        if not self._is_waiting:
            return
        searched = max(0, len(self._head) - len(_HEAD_END) + 1)
        self._head += data
        end = self._head.find(_HEAD_END, searched)
        # What came last may be most of the head's end, and is not counted then.
        size = end if end >= 0 else len(self._head) - len(_HEAD_END) + 1
        if size > self._door.settings.max_head_bytes:
            self._refuse(BIG_HEAD)
        elif end >= 0:
            self._hand_over(end)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget a connection that ended before it asked for anything."""
        self._stop_waiting()
        if self._visit is not None:
            self._visit.end()

    def _hand_over(self, end: int) -> None:
        self._stop_waiting()
        transport, visit, data = self._transport, self._visit, self._head
        if transport is None or visit is None:
            return
        head = parse_head(data[:end])
        if head is None:
            self._refuse(bad_request("This is not an HTTP/1.1 request"))
        elif (refusal := self._door.refusal_of(head, visit)) is not None:
            self._refuse(refusal)
        elif head.wants_socket:
            key = head.headers[b"sec-websocket-key"]
            rest = data[end + len(_HEAD_END) :]
            self._door.open_socket(transport, visit, key, rest)
        else:
            self._door.open_http(transport, visit, data)

    def _refuse(self, refusal: Refusal) -> None:
        self._stop_waiting()
        self._head = b""  # the connection lingers; what it sent need not
        if self._transport is None or self._visit is None:
            return
        if self._visit.refusal is not None and not self._visit.may_hear_why:
            self._transport.abort()
            return
        self._transport.write(refusal.as_bytes())
        Lingerer(self._transport, self.connection_lost)

    def _stop_waiting(self) -> None:
        self._is_waiting = False
        self._door.timeouts.discard(self.took_too_long)


def _address(peer: object) -> str:
    """Return the address of a socket's peer; empty where it has none."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def _descriptor(transport: asyncio.BaseTransport) -> int:
    number: int = transport.get_extra_info("socket").fileno()
    return number
