"""The command line as a process: its lines as they come, its end."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

import msgspec

TIMEOUT_S = 20
"""Only ever reached where something is broken."""

DATA_END = None
PROGRAM = (sys.executable, "-W", "error", "-m", "loudsync")
Fields = dict[str, Any]


def clean_environment(**variables: str) -> dict[str, str]:
    """This environment without what would change the command, plus these."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LOUDSYNC_")}
    return {
        **kept,
        "PYTHONIOENCODING": "utf-8",
        # What tests announce and look for stays on this machine.
        "LOUDSYNC_INTERFACE": "127.0.0.1",
        **variables,
    }


class Process:
    """A running `loudsync`; every wait is for a line or the end."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        variables: dict[str, str],
        enter: tuple[str, ...] = (),
        program: tuple[str, ...] = PROGRAM,
    ) -> None:
        self.popen = subprocess.Popen(
            [*enter, *program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=clean_environment(**variables),
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def line(self) -> str:
        """The next line of standard output."""
        line = self._lines.get(timeout=TIMEOUT_S)
        assert line is not None, f"ended with {self.wait()}: {self.errors}"
        return line

    def line_with(self, part: str) -> str:
        """The next line that contains this."""
        while part not in (line := self.line()):
            pass
        return line

    def event(self, kind: str, accept: Callable[[Fields], bool] = bool) -> Fields:
        """The next JSON line of this kind."""
        while True:
            event = cast("Fields", msgspec.json.decode(self.line()))
            if event["event"] == kind and accept(event):
                return event

    def rest(self) -> list[str]:
        """Every line until the end."""
        lines = []
        while (line := self._lines.get(timeout=TIMEOUT_S)) is not DATA_END:
            lines.append(line)
        return lines

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        code = self.popen.wait(TIMEOUT_S)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        return code

    @property
    def errors(self) -> str:
        """Standard error; complete after `wait`."""
        return "".join(self._errors)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def _read_lines(self) -> None:
        with cast("IO[str]", self.popen.stdout) as stream:
            for line in stream:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(DATA_END)

    def _read_errors(self) -> None:
        with cast("IO[str]", self.popen.stderr) as stream:
            self._errors.extend(stream)


@contextmanager
def loudsync(*arguments: str, **variables: str) -> Iterator[Process]:
    """Run `loudsync`; it is gone at the end of the block, come what may."""
    with loudsync_behind((), *arguments, **variables) as process:
        yield process


@contextmanager
def loudsync_behind(
    enter: tuple[str, ...], *arguments: str, **variables: str
) -> Iterator[Process]:
    """Run `loudsync` behind a command that becomes what its line goes on with."""
    process = Process(arguments, variables, enter)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def loudsync_instead(
    program: tuple[str, ...], *arguments: str, **variables: str
) -> Iterator[Process]:
    """Run another program that takes the same arguments."""
    process = Process(arguments, variables, program=program)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def serve(state: Path, *arguments: str, port: int = 0) -> Iterator[Process]:
    """Serve on loopback and keep sessions in a file; ``listening_at`` tells where."""
    local = ("--host", "127.0.0.1", "--port", str(port), "--json")
    with loudsync("serve", *local, "--state", str(state), *arguments) as server:
        yield server


def listening_at(server: Process) -> tuple[str, int]:
    """Wait until it listens; its URL and its port."""
    url = str(server.event("listening")["url"])
    return url, urlsplit(url).port or 0


@contextmanager
def party(*arguments: str, **variables: str) -> Iterator[tuple[Process, Fields]]:
    """Host a party on loopback; the process and its `listening` event."""
    local = ("--host", "127.0.0.1", "--port", "0", "--json")
    with loudsync("host", "Test Party", *local, *arguments, **variables) as host:
        yield host, host.event("listening")
