"""Frames to messages: one WebSocket, and nothing of LoudSync.

picows parses frames; this puts messages together from them, holds what picows
leaves open (reserved bits, fragments, UTF-8, close codes), and writes what a
connection is owed once a turn of the event loop. RFC 6455 is the source.
"""

import asyncio
import codecs
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from loudsync.server.frames import close_frame, ping_frame, pong_frame
from loudsync.server.lingering import Lingerer
from loudsync.server.unfinished_frame import UnfinishedFrame

_NORMAL: Final = 1000
_PROTOCOL_ERROR: Final = 1002
_NO_STATUS: Final = 1005
_ABNORMAL: Final = 1006
_INVALID_TEXT: Final = 1007
_TOO_BIG: Final = 1009
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
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._owed: list[WebSocket] = []

    def add(self, socket: "WebSocket") -> None:
        """Let ``socket`` write at the end of this turn."""
        if not self._owed:
            self._loop.call_soon(self._flush)
        self._owed.append(socket)

    def _flush(self) -> None:
        owed, self._owed = self._owed, []
        for socket in owed:
            socket.flush()


class PicowsTransport:
    """The TCP transport as picows sees it.

    All that picows writes after the upgrade is the close frame for a fault it
    found, and it does so before it delivers the frame ahead of the faulty one.
    So that frame is kept until ``WebSocket.settle`` is called for it. A close
    lingers; all else is as it is.
    """

    __slots__ = ("_lost", "_socket", "tcp")

    def __init__(
        self,
        tcp: asyncio.Transport,
        socket: "WebSocket",
        lost: Callable[[Exception | None], None],
    ) -> None:
        self.tcp = tcp
        self._socket = socket
        self._lost = lost

    def __getattr__(self, name: str) -> object:
        return getattr(self.tcp, name)

    def get_write_buffer_size(self) -> int:
        """Look busy, or picows would write to the socket past this transport."""
        return 1

    def write(self, data: bytes) -> None:
        """Send the answer to the upgrade; keep a close frame for later."""
        if self._socket.is_open:
            self._socket.fault_found(bytes(data))
        else:
            self.tcp.write(data)

    def close(self) -> None:
        """Close once what was written is sent and the peer could read it."""
        if not self.tcp.is_closing() and not isinstance(
            self.tcp.get_protocol(), Lingerer
        ):
            Lingerer(self.tcp, self._lost)


class WebSocket(WSListener):
    """One WebSocket of a server, from the upgrade to the end.

    Args:
        turn: Collects writes of one turn.
        max_message_bytes: Above it, the connection is closed with 1009.
        max_outgoing_bytes: A backlog starts with what one turn owes and may
            grow by this much; then the connection is dropped, unread data
            and all, because the peer does not read.

    Attributes:
        unread_bytes: What of the last read belongs to a frame that is not
            whole yet; who feeds picows sets it to the size of the read.
    """

    __slots__ = (
        "_allowance",
        "_decoder",
        "_ending",
        "_fragments",
        "_fragments_bytes",
        "_fragments_taken",
        "_handler",
        "_max_message_bytes",
        "_max_outgoing_bytes",
        "_on_alive",
        "_owed",
        "_owed_bytes",
        "_picows_goodbye",
        "_tcp",
        "_transport",
        "_turn",
        "_unfinished",
        "unread_bytes",
    )

    def __init__(
        self, turn: WriteTurn, *, max_message_bytes: int, max_outgoing_bytes: int
    ) -> None:
        self._turn = turn
        self._max_message_bytes = max_message_bytes
        self._max_outgoing_bytes = max_outgoing_bytes
        self._allowance = max_outgoing_bytes
        self._handler: SocketHandler | None = None
        self._transport: WSTransport | None = None
        self._tcp: asyncio.Transport | None = None
        self._owed: list[bytes] = []
        self._owed_bytes = 0
        self._fragments: bytearray | None = None
        self._fragments_bytes = 0
        self._fragments_taken = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._on_alive: Callable[[], None] | None = None
        self._picows_goodbye = b""
        self._ending: Ending | None = None
        self._unfinished: UnfinishedFrame | None = None
        self.unread_bytes = 0

    @property
    def is_open(self) -> bool:
        """Whether the upgrade has been answered."""
        return self._tcp is not None

    def handle_with(self, handler: SocketHandler) -> None:
        """Say who hears what comes in; before the first byte does."""
        self._handler = handler

    # --- What the handler may do --------------------------------------------

    def send(self, frame: bytes) -> None:
        """Send a ready frame at the end of this turn; nothing after the end."""
        if self._ending is not None:
            return
        if not self._owed:
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
        if self._tcp is not None:
            self._tcp.abort()

    def flush(self) -> None:
        """Write what is owed; drop a peer that let too much pile up."""
        owed, tcp = self._owed, self._tcp
        if not owed or tcp is None:
            return
        data = owed[0] if len(owed) == 1 else b"".join(owed)
        owed.clear()
        self._owed_bytes = 0
        if tcp.is_closing():
            return
        waiting = tcp.get_write_buffer_size()
        if waiting == 0:
            self._allowance = self._max_outgoing_bytes + len(data)
        elif waiting + len(data) > self._allowance:
            self._end(Ending.OVERFLOW, _ABNORMAL)
            tcp.abort()
            return
        tcp.write(data)

    # --- What picows reports ------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Take the transport over once the upgrade is answered."""
        self._transport = transport
        lingering: object = transport.underlying_transport
        if not isinstance(lingering, PicowsTransport):
            raise TypeError("picows must get its transport as a PicowsTransport")
        self._tcp = lingering.tcp

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002
        """Take one frame; its payload is copied, the view dies with the call."""
        if self._ending is not None:
            return
        self.unread_bytes = frame.tail_size
        self._unfinished = None
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._fail(_PROTOCOL_ERROR, "Reserved bits must be 0")
            return
        if kind == WSMsgType.CLOSE:
            self._take_close(frame.get_payload_as_bytes())
            return
        if self._on_alive is not None:
            on_alive, self._on_alive = self._on_alive, None
            on_alive()
        if kind == WSMsgType.TEXT and frame.fin and self._fragments is None:
            self._take_text(frame)
        elif kind in _MESSAGE_FRAMES:
            self._take_fragment(frame)
        elif kind == WSMsgType.PONG:
            self._listener.pong_received(frame.get_payload_as_bytes())
        else:
            self._listener.overhead_received()
            self.send(pong_frame(frame.get_payload_as_bytes()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        """Hear that TCP is closed, by whomever."""
        self._end(self._ending or Ending.LOST, _ABNORMAL)
        self._handler = None

    def fault_found(self, goodbye: bytes) -> None:
        """Keep picows' close frame for a fault until ``settle``."""
        self._picows_goodbye = goodbye

    def settle(self, data: bytes) -> None:
        """Look at what picows left of a read, now that its frames are done.

        Fails for a fault that picows found, and for text in an unfinished
        frame that can't be UTF-8.

        Args:
            data: The read; its last ``unread_bytes`` are the unfinished frame's.
        """
        if self._ending is not None:
            return
        if self._picows_goodbye:
            code = int.from_bytes(self._picows_goodbye[2:4], "big")
            # 1011 is picows' word for an exception of ours: not the peer's fault.
            ending = Ending.LOST if code == _INTERNAL_ERROR else Ending.FAULT
            self._finish(ending, self._picows_goodbye, code)
        elif self.unread_bytes:
            if self._unfinished is None:
                self._unfinished = UnfinishedFrame(
                    self._fragments is not None, self._decoder
                )
            if not self._unfinished.may_be_text(data[-self.unread_bytes :]):
                self._fail(_INVALID_TEXT, "Text must be UTF-8")

    def pause_writing(self) -> None:
        """Nothing to pause: ``flush`` looks at what waits."""

    def resume_writing(self) -> None:
        """Nothing to resume."""

    # --- Parts of the above -------------------------------------------------

    @property
    def _listener(self) -> SocketHandler:
        if self._handler is None:
            raise RuntimeError("handle_with comes before the first frame")
        return self._handler

    def _take_text(self, frame: WSFrame) -> None:
        try:
            text = frame.get_payload_as_utf8_text()
        except UnicodeDecodeError:
            self._fail(_INVALID_TEXT, "Text must be UTF-8")
            return
        self._listener.text_received(text)

    def _take_fragment(self, frame: WSFrame) -> None:
        starts = frame.msg_type != WSMsgType.CONTINUATION
        if starts == (self._fragments is not None):
            self._fail(_PROTOCOL_ERROR, "Fragments out of order")
            return
        if self._fragments is None:
            self._fragments = bytearray()
            if frame.msg_type == WSMsgType.TEXT:
                self._decoder = codecs.getincrementaldecoder("utf-8")()
        # An empty fragment costs a byte too, or there could be any number.
        self._fragments_bytes += max(1, frame.payload_size)
        if self._fragments_bytes > self._max_message_bytes:
            self._fail(_TOO_BIG, f"At most {self._max_message_bytes} bytes a message")
            return
        self._fragments_taken += 1
        if self._fragments_taken % _FRAGMENTS_PER_CHARGE == 0:
            self._listener.overhead_received()
        data = frame.get_payload_as_bytes()
        if self._decoder is not None:
            try:
                self._decoder.decode(data, bool(frame.fin))
            except UnicodeDecodeError:
                self._fail(_INVALID_TEXT, "Text must be UTF-8")
                return
        # One array: thousands of tiny objects would take forty times the bytes.
        self._fragments += data
        if frame.fin:
            self._deliver_fragments()

    def _deliver_fragments(self) -> None:
        data, is_text = bytes(self._fragments or b""), self._decoder is not None
        self._fragments, self._fragments_bytes, self._decoder = None, 0, None
        if is_text:
            self._listener.text_received(data.decode())
        else:
            self._listener.binary_received(data)

    def _take_close(self, payload: bytes) -> None:
        if not payload:
            self._finish(Ending.PEER_CLOSED, close_frame(None), _NO_STATUS)
            return
        code = int.from_bytes(payload[:2], "big")
        if code in _SENDABLE_CODES or 3000 <= code < 5000:
            self._finish(Ending.PEER_CLOSED, close_frame(code), code)
        else:
            self._fail(_PROTOCOL_ERROR, f"{code} is not a close code to send")

    def _fail(self, code: int, reason: str) -> None:
        self._finish(Ending.FAULT, close_frame(code, reason), code)

    def _finish(self, ending: Ending, goodbye: bytes, code: int = _NORMAL) -> None:
        if self._ending is not None:
            return
        self._on_alive = None
        self.send(goodbye)
        self.flush()
        self._end(ending, code)
        if self._transport is not None:
            self._transport.disconnect()

    def _end(self, ending: Ending, code: int) -> None:
        """Report the end, once; of one that we made, when TCP is closed too."""
        self._ending = ending
        handler = self._handler
        if handler is not None and (ending is not Ending.CLOSED or code == _ABNORMAL):
            self._handler = None
            handler.ended(ending, code)


_MESSAGE_FRAMES = frozenset({WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION})
