"""Bytes to frames: what a client's WebSocket sends, however it comes in pieces.

No I/O and no loop: bytes go in, whole frames come out. Written here because it
was measured: a connection of picows costs 14 KB and 140 us to open, one of
these 1 KB and 70 us, and both answer as many pings a second (docs/performance.md).

Source: RFC 6455, section 5.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

FIN: Final = 0x80
CONTINUATION: Final = 0x00
TEXT: Final = 0x01
BINARY: Final = 0x02
CLOSE: Final = 0x88
PING: Final = 0x89
PONG: Final = 0x8A

MAX_CONTROL_PAYLOAD: Final = 125
"""Bytes a control frame may carry (RFC 6455, section 5.5)."""

PROTOCOL_ERROR: Final = 1002
TOO_BIG: Final = 1009

_MASKED: Final = 0x80
_RESERVED: Final = 0x70

_FIRST_BYTES: Final = frozenset(
    {kind | fin for kind in (CONTINUATION, TEXT, BINARY) for fin in (0, FIN)}
    | {CLOSE, PING, PONG}
)
"""What a frame may begin with: no reserved bit, no control frame in pieces."""

_LENGTH_BYTES: Final = {126: 2, 127: 8}
_LEAST_LENGTHS: Final = {2: 0, 4: 126, 10: 1 << 16}
"""What a length must be at least, by how many bytes of a head end with it."""

_SHORT_HEAD: Final = 6
"""Bytes of a short client frame's head: two, and four of mask."""

_LONGEST_HEAD: Final = 14

_NOT_SHORT: Final = 0x100
"""More than a short frame's length can be."""

_number = int.from_bytes

Frame = tuple[int, bytes]
"""A frame's first byte, FIN and all, and its payload, unmasked."""


class FrameFault(NamedTuple):
    """What a peer did wrong, and the code to close with."""

    code: int
    reason: str


class FrameReader:
    """Takes a client's frames apart.

    Args:
        max_payload_bytes: A larger frame is a fault as soon as its head is read.

    Attributes:
        fault: Why nothing is read any more; ``None`` while all is well.
        arrived: Of a frame that is not whole yet, its first byte and what of
            its payload the last bytes brought; ``None`` where there is none.
    """

    __slots__ = (
        "_first",
        "_head",
        "_mask",
        "_max_payload_bytes",
        "_max_short_bytes",
        "_missing",
        "_payload",
        "arrived",
        "fault",
    )

    def __init__(self, max_payload_bytes: int) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._max_short_bytes = min(max_payload_bytes, MAX_CONTROL_PAYLOAD)
        self._head = b""
        self._first = 0
        self._mask = b""
        self._missing = 0
        self._payload: bytearray | None = None
        self.fault: FrameFault | None = None
        self.arrived: Frame | None = None

    def frames(self, data: bytes) -> Iterator[Frame]:
        """Take bytes in; give the frames that they complete, in order.

        Who stops halfway has done with the reader. ``fault`` and ``arrived``
        are told once all frames have been taken.
        """
        at = 0
        self.arrived = None
        if self._payload is not None:
            at = self._go_on(self._payload, data)
            if self._missing == 0:
                payload, self._payload = bytes(self._payload), None
                yield self._first, payload
        elif self._head:
            data, self._head = self._head + data, b""
        size = len(data)
        while at < size:
            first = data[at]
            start = at + _SHORT_HEAD
            if start <= size and first in _FIRST_BYTES:
                length = data[at + 1] ^ _MASKED
            else:
                length = _NOT_SHORT
            if length > self._max_short_bytes:
                start, length = self._read_head(data, at)
                if start == 0:
                    break
            at = start + length
            mask = data[start - 4 : start]
            payload = _unmask(data[start:at], mask)
            if at > size:
                self._begin(first, mask, payload, at - size)
                break
            yield first, payload

    def _read_head(self, data: bytes, at: int) -> tuple[int, int]:
        """Read a head that is long, wrong or not whole.

        Returns:
            Where the payload starts, and its length; 0 and 0 where there is no
            going on: for now, or for the fault that is noted.
        """
        head = data[at : at + _LONGEST_HEAD]
        if len(head) > 1:
            length = head[1] ^ _MASKED
            self.fault = _fault_of(head[0], length)
            if self.fault is not None:
                return 0, 0
            size = 2 + _LENGTH_BYTES.get(length, 0)
            if len(head) >= size:
                length = _number(head[2:size]) if size > 2 else length
                self.fault = self._fault_of_length(length, size)
                if self.fault is not None:
                    return 0, 0
                if len(head) >= size + 4:
                    return at + size + 4, length
        self._head = head
        return 0, 0

    def _fault_of_length(self, length: int, size: int) -> FrameFault | None:
        if length > self._max_payload_bytes:
            most = self._max_payload_bytes
            return FrameFault(TOO_BIG, f"At most {most} bytes a message")
        if length < _LEAST_LENGTHS[size]:
            return FrameFault(PROTOCOL_ERROR, "A length takes as few bytes as it can")
        return None

    def _begin(self, first: int, mask: bytes, payload: bytes, missing: int) -> None:
        self._first, self._mask, self._missing = first, mask, missing
        self._payload = bytearray(payload)
        if payload:
            self.arrived = (first, payload)

    def _go_on(self, payload: bytearray, data: bytes) -> int:
        """Take more of the frame that is under way; return how much that was."""
        turn = len(payload) % 4
        part = data[: self._missing]
        plain = _unmask(part, self._mask[turn:] + self._mask[:turn])
        payload += plain
        self._missing -= len(part)
        if self._missing and plain:
            self.arrived = (self._first, plain)
        return len(part)


def _fault_of(first: int, length: int) -> FrameFault | None:
    """Say what is wrong with a frame's first two bytes.

    Args:
        length: The second one, its mask bit turned over.
    """
    if first & _RESERVED:
        return FrameFault(PROTOCOL_ERROR, "Reserved bits must be 0")
    if length & _MASKED:
        return FrameFault(PROTOCOL_ERROR, "A client's frames must be masked")
    if first in _FIRST_BYTES:
        if first < CLOSE or length <= MAX_CONTROL_PAYLOAD:
            return None
        return FrameFault(PROTOCOL_ERROR, "A control frame has 125 bytes at most")
    if first | FIN in _FIRST_BYTES:
        return FrameFault(PROTOCOL_ERROR, "A control frame comes in one piece")
    return FrameFault(PROTOCOL_ERROR, "There is no such opcode")


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """Undo the masking; as one large number, which is C's speed."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (_number(payload) ^ _number(key)).to_bytes(size)
