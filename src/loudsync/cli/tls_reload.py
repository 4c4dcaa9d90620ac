"""SIGHUP: a renewed certificate, without a restart.

The signal also says that a terminal has ended. Which of the two is meant shows
in whether the terminal that the program was started in is still there.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from loudsync._systems import HANGUP, has_controlling_terminal
from loudsync.cli.runtime import in_main_thread
from loudsync.errors import StartFailed
from loudsync.server import SessionServer
from loudsync.server.logs import get_logger
from loudsync.server.tls import load_tls

log = get_logger("server")


@contextmanager
def reloaded_on_hangup(
    server: SessionServer, certificate: Path, key: Path
) -> Iterator[None]:
    """Read the files anew at each SIGHUP; new connections get what is in them.

    Files that can't be used are logged as an error, and the server goes on
    with what it has.
    """

    def reload() -> None:
        try:
            server.use_tls(load_tls(certificate, key))
        except StartFailed as fault:
            log.error("tls_reload_failed", reason=str(fault))
        else:
            log.info("tls_reloaded", certificate=str(certificate))

    with done_on_hangup(reload):
        yield


@contextmanager
def done_on_hangup(reload: Callable[[], None]) -> Iterator[None]:
    """Do something on this loop at each SIGHUP that is no end of the terminal.

    Windows has no such signal: nothing happens there.
    """
    hangup = HANGUP
    if hangup is None:
        yield
        return
    loop = asyncio.get_running_loop()
    had_terminal = has_controlling_terminal()
    before = signal.getsignal(hangup)

    def hung_up(number: int, frame: FrameType | None) -> None:
        if not had_terminal or has_controlling_terminal():
            loop.call_soon_threadsafe(reload)
        elif callable(before):
            before(number, frame)

    def give_back() -> None:
        if signal.getsignal(hangup) is hung_up:
            signal.signal(hangup, before)

    in_main_thread(lambda: signal.signal(hangup, hung_up))
    try:
        yield
    finally:
        in_main_thread(give_back)
