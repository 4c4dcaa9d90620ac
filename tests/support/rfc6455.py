"""What a server may make of a client's bytes, straight from RFC 6455.

Slow, simple, and without a line of what it is compared to. It says what must
be heard, and which ends are right; where a fault is seen before its frame is
whole, a server may end at once or wait for the rest.
"""

import codecs
import struct
from dataclasses import dataclass, field
from typing import Final

from raw_peer import BINARY, CLOSE, PING, PONG, TEXT

CONTINUATION: Final = 0x0
_KNOWN = {CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG}
_CONTROL: Final = 0x8


@dataclass
class Verdict:
    """What the bytes come to.

    Attributes:
        heard: Messages and pongs, as a handler hears them.
        pings: Payloads of pings, each owed a pong.
        faults: Codes to close with, any of which is right; empty: no fault.
        may_wait: Whether a server may still wait for more instead.
        goodbye: The code of the peer's own close frame, 1005 for none.
    """

    heard: list[tuple[str, str | bytes]] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    faults: set[int] = field(default_factory=set)
    may_wait: bool = True
    goodbye: int | None = None


@dataclass
class _Frame:
    """As much of a frame as has come; its faults by when they must be told."""

    opcode: int = CONTINUATION
    fin: bool = True
    length: int | None = None
    payload: bytes = b""
    end: int | None = None
    at_once: set[int] = field(default_factory=set)
    in_time: set[int] = field(default_factory=set)

    @property
    def is_control(self) -> bool:
        return self.opcode >= _CONTROL


def verdict_on(data: bytes, max_message_bytes: int) -> Verdict:  # noqa: C901  # as the RFC
    """Read everything a client has sent after the upgrade."""
    verdict = Verdict()
    message: _Message | None = None
    at = 0
    while at < len(data):
        frame = _read(data, at, max_message_bytes)
        faults = frame.at_once | frame.in_time
        if not frame.is_control:
            starts = frame.opcode != CONTINUATION
            if starts == (message is not None):
                faults.add(1002)
            message = message or _Message(frame.opcode)
            faults |= message.faults_with(frame, max_message_bytes)
        elif frame.opcode == CLOSE:
            faults |= _close_faults(frame)
        if faults:
            verdict.faults = faults
            must_tell = frame.end is not None or (
                frame.length is not None and bool(frame.at_once)
            )
            verdict.may_wait = not must_tell
            return verdict
        if frame.end is None:
            return verdict
        at = frame.end
        if frame.opcode == CLOSE:
            code = frame.payload[:2]
            verdict.goodbye = struct.unpack("!H", code)[0] if code else 1005
            verdict.may_wait = False
            return verdict
        if frame.opcode == PING:
            verdict.pings.append(frame.payload)
        elif frame.opcode == PONG:
            verdict.heard.append(("pong", frame.payload))
        elif message is not None:
            message.take(frame)
            if frame.fin:
                verdict.heard.append(message.content())
                message = None
    return verdict


class _Message:
    """A message that is being put together."""

    def __init__(self, opcode: int) -> None:
        self._is_text = opcode == TEXT
        self._data = b""
        self._charged = 0

    def faults_with(self, frame: _Frame, limit: int) -> set[int]:
        faults = set()
        # An empty fragment costs a byte, or there could be any number of them.
        if frame.length is not None and self._charged + max(1, frame.length) > limit:
            faults.add(1009)
        if self._is_text:
            is_whole = frame.fin and frame.end is not None
            decoder = codecs.getincrementaldecoder("utf-8")()
            try:
                decoder.decode(self._data + frame.payload, is_whole)
            except UnicodeDecodeError:
                faults.add(1007)
        return faults

    def take(self, frame: _Frame) -> None:
        self._data += frame.payload
        self._charged += max(1, len(frame.payload))

    def content(self) -> tuple[str, str | bytes]:
        if self._is_text:
            return "text", self._data.decode()
        return "binary", self._data


def _read(data: bytes, at: int, limit: int) -> _Frame:  # noqa: C901  # as the RFC
    """Read a frame's head and payload as far as they go (section 5.2)."""
    frame = _Frame()
    first = data[at]
    frame.opcode, frame.fin = first & 0x0F, bool(first & 0x80)
    if first & 0x70:
        frame.in_time.add(1002)
    if frame.opcode not in _KNOWN or (frame.is_control and not frame.fin):
        frame.at_once.add(1002)
    if len(data) < at + 2:
        return frame
    second = data[at + 1]
    if not second & 0x80:
        frame.at_once.add(1002)
    short = second & 0x7F
    if frame.is_control and short > 125:
        frame.at_once.add(1002)
    width = {126: 2, 127: 8}.get(short, 0)
    mask_at = at + 2 + width
    if len(data) < mask_at:
        return frame
    frame.length = int.from_bytes(data[at + 2 : mask_at], "big") if width else short
    if frame.length >= 1 << 63 or frame.length < {2: 126, 8: 1 << 16}.get(width, 0):
        frame.at_once.add(1002)
    if not frame.is_control and frame.length > limit:
        frame.at_once.add(1009)
    if frame.at_once:
        return frame  # where its payload would be is not worth knowing
    start = mask_at + 4
    mask = data[mask_at:start]
    if len(mask) == 4:
        covered = data[start : start + frame.length]
        frame.payload = unmasked(covered, mask)
        if len(covered) == frame.length:
            frame.end = start + frame.length
    return frame


def _close_faults(frame: _Frame) -> set[int]:
    """Check a close frame's code and reason (sections 5.5.1 and 7.4)."""
    faults = set()
    if frame.length == 1:
        faults.add(1002)
    if len(frame.payload) >= 2:
        (code,) = struct.unpack("!H", frame.payload[:2])
        if not may_be_sent(code):
            faults.add(1002)
        is_whole = frame.end is not None
        try:
            codecs.getincrementaldecoder("utf-8")().decode(frame.payload[2:], is_whole)
        except UnicodeDecodeError:
            faults.add(1007)
    return faults


def may_be_sent(code: int) -> bool:
    """Whether an endpoint may send this close code (section 7.4, IANA's list)."""
    return (1000 <= code <= 1014 and code not in {1004, 1005, 1006}) or (
        3000 <= code <= 4999
    )


def unmasked(data: bytes, mask: bytes) -> bytes:
    """Lay a mask over bytes, or take it off (section 5.3)."""
    if not data:
        return b""
    cover = (mask * (len(data) // 4 + 1))[: len(data)]
    mixed = int.from_bytes(data, "big") ^ int.from_bytes(cover, "big")
    return mixed.to_bytes(len(data), "big")


def server_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Read what a server wrote: opcode and payload of each frame, and the rest.

    Fails for what a server may not write: masks, fragments, reserved bits,
    lengths in more bytes than they need.
    """
    frames, at = [], 0
    while len(data) >= at + 2:
        first, short = data[at], data[at + 1]
        assert first & 0xF0 == 0x80, "one whole frame, no reserved bit"
        assert short < 0x80, "unmasked"
        width = {126: 2, 127: 8}.get(short, 0)
        start = at + 2 + width
        size = int.from_bytes(data[at + 2 : start], "big") if width else short
        assert size >= {0: 0, 2: 126, 8: 1 << 16}[width], "no longer than needed"
        assert first & _CONTROL == 0 or size <= 125
        if len(data) < start + size:
            break
        frames.append((first & 0x0F, data[start : start + size]))
        at = start + size
    return frames, data[at:]
