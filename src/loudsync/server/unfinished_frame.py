"""UTF-8 in a frame that is still on its way.

picows delivers whole frames. Text that can't become UTF-8 any more is refused
as soon as it shows, even in the middle of a frame, and not only once the rest
of the frame has come (RFC 6455, section 8.1; Autobahn's cases 6.4).
"""

import codecs
from typing import Final

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_OPCODE_AND_RESERVED: Final = 0x7F
_LENGTH: Final = 0x7F
_MASK_BYTES: Final = 4

_EXTENDED_LENGTH_BYTES: Final = {126: 2, 127: 8}

_new_decoder = codecs.getincrementaldecoder("utf-8")


class UnfinishedFrame:
    """A client's frame of which the end has not come yet.

    It keeps the head until that is whole, and of the payload no more than the
    bytes of one character.

    A frame that is wrong for another reason is not looked at: that shows once
    it is whole, and is told then.

    Args:
        is_in_message: Whether a message is under way that it may go on with.
        message: That message's decoder, which is not moved; ``None`` where it
            is no text.
    """

    __slots__ = (
        "_decoder",
        "_head",
        "_is_in_message",
        "_mask",
        "_message_state",
        "_position",
    )

    def __init__(
        self, is_in_message: bool, message: codecs.IncrementalDecoder | None
    ) -> None:
        self._is_in_message = is_in_message
        self._message_state = None if message is None else message.getstate()
        self._head: bytearray | None = bytearray()
        self._mask = b""
        self._position = 0
        self._decoder: codecs.IncrementalDecoder | None = None

    def may_be_text(self, data: bytes) -> bool:
        """Take the next bytes of the frame; tell whether it may still be UTF-8.

        Always true for a frame that carries no text.
        """
        if self._head is not None:
            self._head += data
            if len(self._head) < (size := _head_size(self._head)):
                return True
            data = self._read_head(bytes(self._head), size)
        if self._decoder is None:
            return True
        try:
            self._decoder.decode(self._unmasked(data))
        except UnicodeDecodeError:
            return False
        return True

    def _read_head(self, head: bytes, size: int) -> bytes:
        """Note what the head says; return what came behind it."""
        kind = head[0] & _OPCODE_AND_RESERVED
        if kind == _TEXT and not self._is_in_message:
            self._decoder = _new_decoder()
        elif kind == _CONTINUATION and self._message_state is not None:
            self._decoder = _new_decoder()
            self._decoder.setstate(self._message_state)
        self._mask = head[size - _MASK_BYTES : size]
        self._head = None
        return head[size:]

    def _unmasked(self, data: bytes) -> bytes:
        start = self._position % _MASK_BYTES
        self._position += len(data)
        mask = self._mask[start:] + self._mask[:start]
        key = (mask * (len(data) // _MASK_BYTES + 1))[: len(data)]
        plain = int.from_bytes(data, "big") ^ int.from_bytes(key, "big")
        return plain.to_bytes(len(data), "big")


def _head_size(head: bytearray) -> int:
    """Return the size of a frame's head, or of what tells it, in bytes."""
    if len(head) < 2:
        return 2
    return 2 + _EXTENDED_LENGTH_BYTES.get(head[1] & _LENGTH, 0) + _MASK_BYTES
