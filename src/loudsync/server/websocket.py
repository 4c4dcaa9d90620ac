"""Frames to messages: one WebSocket, and nothing of LoudSync.

``FrameReader`` takes the bytes apart; this puts messages together, holds the
rules about fragments, UTF-8 and close codes, and writes what a connection is
owed in one go: at the end of a read, or of a turn. RFC 6455 is the source.
"""

import asyncio
import base64
import codecs
import hashlib
import time
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from loudsync.server.frame_reader import (
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    FrameReader,
)
from loudsync.server.frames import close_frame, ping_frame, pong_frame
from loudsync.server.lingering import Lingerer
from loudsync.server.logs import get_logger

log = get_logger("server")

_NORMAL: Final = 1000
_NO_STATUS: Final = 1005
_ABNORMAL: Final = 1006
_INVALID_TEXT: Final = 1007
_INTERNAL_ERROR: Final = 1011

_SENDABLE_CODES: Final = frozenset(
    {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
)
"""Below 3000, the codes an endpoint may send (RFC 6455, 7.4, and IANA's list)."""

_EARLY_WRITE_BYTES: Final = 64 * 1024
"""Owed in one turn, this much is written before the turn ends, so that what
waits is always seen by the check in ``flush``."""

_FRAGMENTS_PER_CHARGE: Final = 32
"""A message in fewer pieces costs nothing extra; a flood of tiny pieces does."""

_CROWD: Final = 100
"""Receivers in one turn from which on the next turn may have to wait."""


class Ending(Enum):
    """How a WebSocket came to its end."""

    CLOSED = "we closed it"
    PEER_CLOSED = "the peer sent a close frame"
    FAULT = "the peer broke the WebSocket protocol"
    LOST = "the network or the peer went away"
    OVERFLOW = "the peer did not read what was sent"


class SocketHandler(Protocol):
    """Who hears what a WebSocket receives. Calls come one after another."""

    def text_received(self, text: str) -> None:
        """Take a whole text message."""

    def binary_received(self, data: bytes) -> None:
        """Take a whole binary message."""

    def pong_received(self, payload: bytes) -> None:
        """Take an answer to a ping, or a pong nobody asked for."""

    def overhead_received(self) -> None:
        """Hear of frames that carry no message: a ping, or many fragments."""

    def ended(self, ending: Ending, code: int) -> None:
        """Hear of the end, once; ``code`` is the close code, 1006 for none."""


class WriteTurn:
    """Collects who is owed something in this turn of the loop.

    Measured on a prototype with 16 pings in flight per connection: 65,000
    pongs a second with a write each, 235,000 with one write a turn.

    After a turn with a crowd to write to, the next one waits as long as that
    took: a thousand guests who come at once would otherwise be told of each
    other one by one. What answers a read never waits: it leaves with the read.

    Args:
        now_s: The clock that the loop's ``call_at`` goes by.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._now_s = now_s  # uvloop's own stands still within a turn
        self._owed: list[WebSocket] = []
        self._next_s = 0.0

    def add(self, socket: "WebSocket") -> None:
        """Let ``socket`` write at the end of this turn, or soon after a crowd."""
        if not self._owed:
            if self._next_s > self._now_s():
                self._loop.call_at(self._next_s, self._flush)
            else:
                self._loop.call_soon(self._flush)
        self._owed.append(socket)

    def _flush(self) -> None:
        started_s = self._now_s()
        owed, self._owed = self._owed, []
        for socket in owed:
            try:
                socket.flush()
            except Exception:
                # A fault of ours: this connection ends, the rest go on.
                log.exception("connection_failed")
                socket.abort()
        if len(owed) > _CROWD:
            ended_s = self._now_s()
            self._next_s = ended_s + (ended_s - started_s)


_WHOLE_TEXT: Final = TEXT | FIN

_ACCEPTED: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)
_KEY_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server shows its understanding with (RFC 6455, section 4.2.2)."""

_new_decoder = codecs.getincrementaldecoder("utf-8")


class WebSocket(asyncio.Protocol):
    """One WebSocket of a server, from the upgrade to the end.

    Args:
        turn: Collects writes of one turn.
        max_message_bytes: Above it, the connection is closed with 1009.
        max_outgoing_bytes: A backlog starts with what one turn owes and may
            grow by this much; then the connection is dropped, unread data
            and all, because the peer does not read.
        on_closed: Called once the transport is closed.
    """

    __slots__ = (
        "_allowance",
        "_decoder",
        "_early_decoder",
        "_ending",
        "_fragments",
        "_fragments_bytes",
        "_fragments_taken",
        "_handler",
        "_is_reading",
        "_max_message_bytes",
        "_max_outgoing_bytes",
        "_on_alive",
        "_on_closed",
        "_owed",
        "_owed_bytes",
        "_reader",
        "_transport",
        "_turn",
    )

    def __init__(
        self,
        turn: WriteTurn,
        *,
        max_message_bytes: int,
        max_outgoing_bytes: int,
        on_closed: Callable[[], None],
    ) -> None:
        self._turn = turn
        self._max_message_bytes = max_message_bytes
        self._max_outgoing_bytes = max_outgoing_bytes
        self._allowance = max_outgoing_bytes
        self._on_closed = on_closed
        self._reader = FrameReader(max_message_bytes)
        self._handler: SocketHandler | None = None
        self._transport: asyncio.Transport | None = None
        self._owed: list[bytes] = []
        self._owed_bytes = 0
        self._is_reading = False
        self._fragments: bytearray | None = None
        self._fragments_bytes = 0
        self._fragments_taken = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._early_decoder: codecs.IncrementalDecoder | None = None
        self._on_alive: Callable[[], None] | None = None
        self._ending: Ending | None = None

    def handle_with(self, handler: SocketHandler) -> None:
        """Say who hears what comes in; before the first byte does."""
        self._handler = handler

    def open(self, transport: asyncio.Transport, key: bytes, rest: bytes = b"") -> None:
        """Answer the upgrade, then read what came behind the request's head.

        Args:
            key: The request's ``Sec-WebSocket-Key``, checked.
        """
        self._transport = transport
        transport.set_protocol(self)
        digest = hashlib.sha1(key + _KEY_SUFFIX, usedforsecurity=False).digest()
        transport.write(_ACCEPTED % base64.b64encode(digest))
        if rest:
            self.data_received(rest)

    # --- What the handler may do --------------------------------------------

    def send(self, frame: bytes) -> None:
        """Send a ready frame, in one write with what else is owed soon.

        It leaves at the end of the read that is under way, else in the next
        ``WriteTurn``. Nothing is sent after the end.
        """
        if self._ending is not None:
            return
        if not self._owed and not self._is_reading:
            self._turn.add(self)
        self._owed.append(frame)
        self._owed_bytes += len(frame)
        if self._owed_bytes > _EARLY_WRITE_BYTES:
            self.flush()

    def probe(self, payload: bytes, on_alive: Callable[[], None]) -> None:
        """Ping the peer and call back once, at whatever frame comes next."""
        self._on_alive = on_alive
        self.send(ping_frame(payload))

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye with this close code; the handler hears no more messages."""
        self._finish(Ending.CLOSED, close_frame(code, reason))

    def abort(self) -> None:
        """Drop the connection at once, whatever is still owed."""
        self._ending = self._ending or Ending.CLOSED
        if self._transport is not None:
            self._transport.abort()

    def flush(self) -> None:
        """Write what is owed; drop a peer that let too much pile up."""
        owed, transport = self._owed, self._transport
        if not owed or transport is None:
            return
        data = owed[0] if len(owed) == 1 else b"".join(owed)
        owed.clear()
        self._owed_bytes = 0
        if transport.is_closing():
            return
        waiting = transport.get_write_buffer_size()
        if waiting == 0:
            self._allowance = self._max_outgoing_bytes + len(data)
        elif waiting + len(data) > self._allowance:
            self._end(Ending.OVERFLOW, _ABNORMAL)
            transport.abort()
            return
        transport.write(data)

    # --- What the transport reports (asyncio.Protocol) ----------------------

    def data_received(self, data: bytes) -> None:
        """Take a read: its frames, in order, then what it says of the next one."""
        if self._ending is not None:
            return
        # What this read's messages are answered with needs no turn to wait for.
        self._is_reading = True
        try:
            self._take_read(data)
        except Exception:
            # A fault of ours: the connection ends, its seat waits, the rest go on.
            log.exception("connection_failed")
            goodbye = close_frame(_INTERNAL_ERROR, "Internal error")
            self._finish(Ending.LOST, goodbye, _INTERNAL_ERROR)
        finally:
            self._is_reading = False
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Hear that TCP is closed, by whomever."""
        self._end(self._ending or Ending.LOST, _ABNORMAL)
        self._handler = None
        self._on_closed()

    # --- Parts of the above -------------------------------------------------

    def _take_read(self, data: bytes) -> None:
        handler = self._handler
        if handler is None:
            raise RuntimeError("handle_with comes before the first frame")
        reader = self._reader
        for first, payload in reader.frames(data):
            if self._on_alive is not None and first != CLOSE:
                on_alive, self._on_alive = self._on_alive, None
                on_alive()
                if self._ending is not None:
                    return
            if first == _WHOLE_TEXT and self._fragments is None:
                try:
                    text = payload.decode()
                except UnicodeDecodeError:
                    self._fail(_INVALID_TEXT, "Text must be UTF-8")
                    return
                handler.text_received(text)
            else:
                self._take_other(handler, first, payload)
            if self._ending is not None:
                return
            self._early_decoder = None
        if reader.fault is not None:
            self._fail(*reader.fault)
        elif reader.arrived is not None:
            self._look_ahead(*reader.arrived)

    def _take_other(self, handler: SocketHandler, first: int, payload: bytes) -> None:
        if first == PONG:
            handler.pong_received(payload)
        elif first == PING:
            handler.overhead_received()
            self.send(pong_frame(payload))
        elif first == CLOSE:
            self._take_close(payload)
        else:
            self._take_fragment(handler, first, payload)

    def _look_ahead(self, first: int, part: bytes) -> None:
        """Refuse text that can't become UTF-8 before its frame is whole.

        RFC 6455, section 8.1; Autobahn's cases 6.4.
        """
        goes_on = first & ~FIN == CONTINUATION and self._decoder is not None
        starts = first & ~FIN == TEXT and self._fragments is None
        if not (goes_on or starts):
            return  # no text, or wrong in a way that shows once it is whole
        if self._early_decoder is None:
            self._early_decoder = _new_decoder()
            if self._decoder is not None:
                self._early_decoder.setstate(self._decoder.getstate())
        try:
            self._early_decoder.decode(part)
        except UnicodeDecodeError:
            self._fail(_INVALID_TEXT, "Text must be UTF-8")

    def _take_fragment(self, handler: SocketHandler, first: int, data: bytes) -> None:
        kind, is_last = first & ~FIN, bool(first & FIN)
        if (kind != CONTINUATION) == (self._fragments is not None):
            self._fail(PROTOCOL_ERROR, "Fragments out of order")
            return
        if self._fragments is None:
            self._fragments = bytearray()
            if kind == TEXT:
                self._decoder = _new_decoder()
        # An empty fragment costs a byte too, or there could be any number.
        self._fragments_bytes += max(1, len(data))
        if self._fragments_bytes > self._max_message_bytes:
            self._fail(TOO_BIG, f"At most {self._max_message_bytes} bytes a message")
            return
        self._fragments_taken += 1
        if self._fragments_taken % _FRAGMENTS_PER_CHARGE == 0:
            handler.overhead_received()
            if self._ending is not None:
                return
        if self._decoder is not None:
            try:
                self._decoder.decode(data, is_last)
            except UnicodeDecodeError:
                self._fail(_INVALID_TEXT, "Text must be UTF-8")
                return
        # One array: thousands of tiny objects would take forty times the bytes.
        self._fragments += data
        if is_last:
            self._deliver_fragments(handler)

    def _deliver_fragments(self, handler: SocketHandler) -> None:
        data, is_text = bytes(self._fragments or b""), self._decoder is not None
        self._fragments, self._decoder = None, None
        self._fragments_bytes = self._fragments_taken = 0
        if is_text:
            handler.text_received(data.decode())
        else:
            handler.binary_received(data)

    def _take_close(self, payload: bytes) -> None:
        if not payload:
            self._finish(Ending.PEER_CLOSED, close_frame(None), _NO_STATUS)
            return
        code = int.from_bytes(payload[:2], "big")
        if len(payload) == 1:
            self._fail(PROTOCOL_ERROR, "A close code has two bytes")
        elif code not in _SENDABLE_CODES and not 3000 <= code < 5000:
            self._fail(PROTOCOL_ERROR, f"{code} is not a close code to send")
        elif not _is_utf8(payload[2:]):
            self._fail(_INVALID_TEXT, "Text must be UTF-8")
        else:
            self._finish(Ending.PEER_CLOSED, close_frame(code), code)

    def _fail(self, code: int, reason: str) -> None:
        self._finish(Ending.FAULT, close_frame(code, reason), code)

    def _finish(self, ending: Ending, goodbye: bytes, code: int = _NORMAL) -> None:
        if self._ending is not None:
            return
        self._on_alive = None
        self.send(goodbye)
        self.flush()
        self._end(ending, code)
        transport = self._transport
        if transport is not None and not transport.is_closing():
            Lingerer(transport, self.connection_lost)

    def _end(self, ending: Ending, code: int) -> None:
        """Report the end, once; of one that we made, when TCP is closed too."""
        self._ending = ending
        handler = self._handler
        if handler is not None and (ending is not Ending.CLOSED or code == _ABNORMAL):
            self._handler = None
            handler.ended(ending, code)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
