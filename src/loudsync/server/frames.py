"""WebSocket frames as a server writes them: unmasked, never fragmented.

Frames are built here rather than by picows so that a broadcast is framed once
for everybody, and so that one write can carry many (RFC 6455, section 5.2).
"""

from typing import Final

_TEXT: Final = 0x81
_BINARY: Final = 0x82
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A

MAX_CONTROL_PAYLOAD: Final = 125
"""Bytes a control frame may carry (RFC 6455, section 5.5)."""


def text_frame(payload: bytes) -> bytes:
    """Frame a text message; ``payload`` is UTF-8."""
    return _frame(_TEXT, payload)


def binary_frame(payload: bytes) -> bytes:
    """Frame a binary message."""
    return _frame(_BINARY, payload)


def ping_frame(payload: bytes) -> bytes:
    """Frame a ping of at most 125 bytes."""
    return _frame(_PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """Frame a pong of at most 125 bytes."""
    return _frame(_PONG, payload)


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Frame a close; the reason is cut to what fits, between characters."""
    if code is None:
        return _frame(_CLOSE, b"")
    text = reason.encode()[: MAX_CONTROL_PAYLOAD - 2].decode(errors="ignore")
    return _frame(_CLOSE, code.to_bytes(2, "big") + text.encode())


def _frame(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload
