"""WebSocket frames as a server writes them: unmasked, never fragmented.

A frame is bytes: a broadcast is framed once for everybody, and one write can
carry many (RFC 6455, section 5.2).
"""

from typing import Final

from loudsync.server.frame_reader import (
    BINARY,
    CLOSE,
    FIN,
    MAX_CONTROL_PAYLOAD,
    PING,
    PONG,
    TEXT,
)

_SHORT_TEXT_HEADS: Final = [bytes((TEXT | FIN, size)) for size in range(126)]
"""The heads of short text frames, which is most of what there is to send."""


def text_frame(payload: bytes) -> bytes:
    """Frame a text message; ``payload`` is UTF-8."""
    size = len(payload)
    if size < len(_SHORT_TEXT_HEADS):
        return _SHORT_TEXT_HEADS[size] + payload
    return _frame(TEXT | FIN, payload)


def binary_frame(payload: bytes) -> bytes:
    """Frame a binary message."""
    return _frame(BINARY | FIN, payload)


def ping_frame(payload: bytes) -> bytes:
    """Frame a ping of at most 125 bytes."""
    return _frame(PING, payload)


def pong_frame(payload: bytes) -> bytes:
    """Frame a pong of at most 125 bytes."""
    return _frame(PONG, payload)


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Frame a close; the reason is cut to what fits, between characters."""
    if code is None:
        return _frame(CLOSE, b"")
    text = reason.encode()[: MAX_CONTROL_PAYLOAD - 2].decode(errors="ignore")
    return _frame(CLOSE, code.to_bytes(2, "big") + text.encode())


def _frame(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload
