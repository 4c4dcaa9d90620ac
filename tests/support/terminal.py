"""`loudsync` in a pseudo-terminal, which reads only when it is told to."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cli_process import TIMEOUT_S, clean_environment

OSC_POINTER = re.compile(r"\x1b\]22;[a-z]*\x07")
"""Textual tells the terminal what the mouse pointer should look like."""


class Terminal:
    """A terminal of 80 columns with a program in it."""

    def __init__(self, arguments: tuple[str, ...], variables: dict[str, str]) -> None:
        import fcntl
        import struct
        import termios

        self._ours, self._its = os.openpty()
        size = struct.pack("HHHH", 24, 80, 0, 0)
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, size)
        self.seen = bytearray()
        self._before = self.settings()
        self.popen = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "loudsync", *arguments],
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            env=clean_environment(**{"TERM": "xterm-256color", **variables}),
        )

    def settings(self) -> list[Any]:
        """How it treats what is typed."""
        import termios

        return termios.tcgetattr(self._its)

    def is_given_back(self) -> bool:
        """Whether the program has given it back."""
        return self.settings() == self._before

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def read_until(self, pattern: str) -> "re.Match[bytes]":
        """Read until this was seen, ever."""
        end_s = time.monotonic() + TIMEOUT_S
        while (found := re.search(pattern.encode(), self.seen)) is None:
            left_s = max(end_s - time.monotonic(), 0)
            ready, _, _ = select.select([self._ours], [], [], left_s)
            assert ready, f"no {pattern!r} in {self.seen.decode(errors='replace')!r}"
            self.seen.extend(os.read(self._ours, 65536))
        return found

    def read_to_end(self) -> tuple[int, str]:
        """Read all that comes until the program has ended; its exit code."""
        self.hold_no_end()
        with suppress(OSError):  # the end of a terminal is an error on Linux
            while part := os.read(self._ours, 65536):
                self.seen.extend(part)
        return self.popen.wait(TIMEOUT_S), self.seen.decode(errors="replace")

    def hold_no_end(self) -> None:
        """Let the program be the only one that has it open."""
        os.close(self._its)
        self._its = -1

    def close(self) -> None:
        """Close the window."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        self.close()
        if self._its >= 0:
            os.close(self._its)


@contextmanager
def in_terminal(*arguments: str, **variables: str) -> Iterator[Terminal]:
    """Run `loudsync` in a terminal; both are gone at the end of the block."""
    terminal = Terminal(arguments, variables)
    try:
        yield terminal
    finally:
        terminal.kill()
