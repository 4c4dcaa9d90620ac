"""Standard error while a screen is shown."""

import io
from collections import deque
from contextlib import suppress
from typing import Final, TextIO

MAX_HELD: Final = 200
"""Pieces that are kept; of more, the last."""


class HeldLines(io.TextIOBase):
    """A text stream that keeps what is written until it is released.

    Args:
        stream: Where it goes in the end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held: deque[str] = deque(maxlen=MAX_HELD)

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Keep a piece of text."""
        self._held.append(text)
        return len(text)

    def release(self) -> None:
        """Write what was kept to where it should go."""
        with suppress(OSError):
            while self._held:
                self._stream.write(self._held.popleft())
            self._stream.flush()
