"""A real disk of a few MiB that can be filled to the last byte.

It is a tmpfs in a mount namespace of its own, which lives as long as the
processes in it. What holds it reads this process's pipe: it ends when the test
does, also when the test is killed, and nothing stays mounted.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

SIZE_MIB: Final = 8

_HOLD: Final = f"""
mount -t tmpfs -o size={SIZE_MIB}m,mode=0777 tmpfs "$0" && echo ready && exec cat
"""


FILLER: Final = "filler"


def fill(folder: Path) -> None:
    """Write a file until the disk has not one byte left."""
    filler = folder / FILLER
    with filler.open("ab", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def make_room(folder: Path) -> None:
    """Take what filled the disk away."""
    (folder / FILLER).unlink()


class SmallDisk:
    """The disk, from outside and for processes on it.

    Attributes:
        path: Its folder, for processes that are started behind ``enter``.
        enter: What to put before a command so that it sees the disk.
        seen_from_here: Its folder for this process; never for SQLite, which
            would follow the link back.
    """

    def __init__(self, path: Path, holder: int, *, is_root: bool) -> None:
        user = (
            ()
            if is_root
            else ("--preserve-credentials", f"--user=/proc/{holder}/ns/user")
        )
        self.path = path
        self.enter = ("nsenter", *user, f"--mount=/proc/{holder}/ns/mnt")
        self.seen_from_here = Path(f"/proc/{holder}/root{path}")

    def fill(self) -> None:
        """Leave not one byte."""
        fill(self.seen_from_here)
        assert self.free_bytes == 0

    def make_room(self) -> None:
        """Take what filled it away."""
        make_room(self.seen_from_here)

    @property
    def free_bytes(self) -> int:
        disk = os.statvfs(self.seen_from_here)
        return disk.f_bfree * disk.f_frsize


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount a small disk on a folder; skip where the system does not allow it."""
    if sys.platform != "linux":
        pytest.skip("needs Linux's mount namespaces")
    is_root = os.geteuid() == 0
    user = () if is_root else ("--map-root-user",)
    holder = subprocess.Popen(
        [
            "unshare",
            *user,
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            _HOLD,
            folder,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != b"ready\n":
            _, reason = holder.communicate()
            pytest.skip(f"no small disk here: {reason.decode().strip()}")
        yield SmallDisk(folder, holder.pid, is_root=is_root)
        # Its input ends here, and with it the holder.
        holder.communicate()
