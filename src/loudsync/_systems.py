"""What differs between Linux, macOS and Windows: all of it is here.

Everything else is written for all three. How other systems' firewalls are
opened is in ``doctor.firewall``.
"""

import asyncio
import contextlib
import os
import select
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

if sys.platform == "win32":
    _OWN_ENDING_SIGNALS = (signal.SIGBREAK,)
    _HANGUP = None
else:
    _OWN_ENDING_SIGNALS = ()
    _HANGUP = signal.SIGHUP

HANGUP: Final[signal.Signals | None] = _HANGUP
"""Says that the terminal has ended, or that a file is to be read anew; Windows has
no such signal."""

ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, *_OWN_ENDING_SIGNALS)
"""What asks a program to end: Ctrl-C, a service manager; Ctrl-Break on Windows."""

_LEAVE_SCREEN: Final = b"\x1b[?1049l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[?25h"
"""The usual screen, no reports of mouse, pasting and focus, and the cursor."""

SHARES_PORTS: Final = sys.platform == "win32"
"""Whether ``SO_REUSEADDR`` lets two programs listen at one port. Elsewhere it only
lets a port be used again right after its last connections."""

BALANCES_PORTS: Final = sys.platform == "linux"
"""Whether processes can share a port so that the system spreads connections over
them. Others know the option too, and give everything to one."""

_END_WITH_PARENT: Final = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, int(sys.argv[1]))\n"
    "os.getppid() == int(sys.argv[2]) or sys.exit(1)\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)
"""Asks Linux for a signal when the parent ends (``PR_SET_PDEATHSIG``), looks that it
has not ended before, and becomes the program."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of the fastest kind that this system has: no uvloop on Windows."""
    if sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def raise_file_limit() -> int:
    """Let this process have as many files as it may; return how many.

    0: no limit that is known; Windows has none for sockets.
    """
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # A system may lie about its hard limit: stay with the soft one then.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        return 0 if soft == resource.RLIM_INFINITY else soft
    else:
        return 0


def share_port(bound: socket.socket) -> None:
    """Let other sockets of this user be bound to the same port, if they let it too.

    Only where ``BALANCES_PORTS``.
    """
    if sys.platform != "win32":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def ended_with_parent(*command: str) -> tuple[str, ...]:
    """Return what starts a program that gets SIGTERM when this process ends.

    Not code between fork and exec: threads may hold locks then. Not a guard beside
    it: that could be killed itself. The process, and with it its id, becomes the
    program's. It must be started from a thread that lives as long as the process.

    Only Linux can do that; elsewhere it is the same command.
    """
    if sys.platform == "linux":
        number, parent = str(int(signal.SIGTERM)), str(os.getpid())
        launcher = (sys.executable, "-I", "-S", "-c", _END_WITH_PARENT)
        return (*launcher, number, parent, *command)
    else:
        return command


def lock_folder(folder: Path) -> int | None:
    """Lock a folder for who holds the returned descriptor; ``None``: somebody else.

    Whoever inherits the descriptor holds the lock too.

    Raises:
        OSError: It can't be opened.
    """
    if sys.platform != "win32":
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    else:
        raise OSError("folders can't be locked on this system")


def is_own_folder(folder: Path) -> bool:
    """Whether a folder, not a link to one, is this user's."""
    if sys.platform != "win32":
        facts = folder.lstat()
        return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()
    else:
        return folder.is_dir() and not folder.is_symlink()


def free_bytes(folder: Path) -> int:
    """What a folder's disk has left for this process; quotas are not in it."""
    if sys.platform != "win32":
        disk = os.statvfs(folder)
        is_root = os.geteuid() == 0  # who may use what others may not
        return (disk.f_bfree if is_root else disk.f_bavail) * disk.f_frsize
    else:
        return shutil.disk_usage(folder).free


def has_controlling_terminal() -> bool:
    """Whether the terminal that this process was started in is still there."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
            return True
    return False


def terminal_settings(stream: TextIO) -> Callable[[], None]:
    """Return what gives a terminal back as it is now, even out of a screen.

    It waits for nobody: a terminal that isn't read stays on the screen. Windows
    gives consoles back by itself.
    """
    if sys.platform != "win32":
        import termios

        try:
            descriptor = stream.fileno()
            settings = termios.tcgetattr(descriptor)
        except (OSError, termios.error):  # it is no terminal
            return lambda: None

        def give_back() -> None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(descriptor, termios.TCSANOW, settings)
                os.set_blocking(descriptor, False)
                try:
                    os.write(descriptor, _LEAVE_SCREEN)
                finally:
                    os.set_blocking(descriptor, True)

        return give_back
    else:
        return lambda: None


def is_terminal_gone(stream: TextIO) -> bool:
    """Whether nobody will ever read or type again: the window was closed.

    On Windows that ends the process.
    """
    if sys.platform != "win32":
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(happened & select.POLLHUP for _, happened in poll.poll(0))
    else:
        return False


def can_show_screens() -> bool:
    """Whether the terminal obeys what a screen is drawn with.

    An old Windows console doesn't, nor does an editor's shell.
    """
    if sys.platform != "win32":
        return os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    else:
        from rich.console import detect_legacy_windows

        return not detect_legacy_windows()
