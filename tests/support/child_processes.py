"""Signals to child processes, and free ports for those that keep theirs."""

import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 20.0
"""Only ever reached where something is broken."""

_FIRST_PORT, _LAST_PORT = 15_000, 32_000
"""Below what systems hand out by themselves: while a server is down, nobody else gets
its port, and who tries to reconnect there doesn't meet itself."""


def free_ports(count: int) -> list[int]:
    """Draw ports on loopback that nobody listens at, for servers to start again at."""
    found: list[int] = []
    while len(found) < count:
        port = random.randint(_FIRST_PORT, _LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait in a thread of its own, or before a loop runs, until something is so.

    Raises:
        TimeoutError: It has not become so; ``what`` is told.
    """
    patience_ends_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > patience_ends_s:
            raise TimeoutError(f"in vain waited until {what}")
        time.sleep(0.005)  # what is waited for has no event


class Signals:
    """What can befall a process, by its id and never by its name."""

    _popen: "subprocess.Popen[str] | subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; a frozen one has not."""
        return self._popen.poll() is None

    def signal_kill(self) -> None:
        """Send SIGKILL and wait for nothing."""
        self._popen.kill()

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP): to others its machine hangs."""
        self._popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._popen.send_signal(signal.SIGCONT)
