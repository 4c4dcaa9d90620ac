"""The first minutes: what to do next, completion."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli_process import (
    TIMEOUT_S,
    clean_environment,
    loudsync_instead,
)
from loudsync.cli import main

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)


def test_alone_it_says_what_to_do_next_in_five_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    for command in ("host", "discover", "join", "doctor"):
        assert any(f"loudsync {command}" in line for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_shells_get_a_script_that_completes(shell: str) -> None:
    done = complete(f"source_{shell}")
    assert "_LOUDSYNC_COMPLETE" in done


def test_commands_are_completed() -> None:
    done = complete("complete_bash", COMP_WORDS="loudsync d", COMP_CWORD="1")
    assert done.split() == ["discover", "doctor"]


def complete(instruction: str, **variables: str) -> str:
    """What the installed command answers a shell."""
    done = subprocess.run(
        [Path(sys.executable).with_name("loudsync")],
        env=clean_environment(_LOUDSYNC_COMPLETE=instruction, **variables),
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.stdout


WITHOUT_POSIX = """
import asyncio, errno, os, signal, sys
import aiohttp, rich.console, structlog, typer.main, zeroconf.asyncio

POSIX = {"uvloop", "resource", "fcntl", "termios", "tty", "pwd", "grp"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in POSIX:
            raise ModuleNotFoundError(name)

for name in POSIX:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
for name in ("statvfs", "geteuid", "O_NOCTTY"):
    delattr(os, name)
del signal.SIGHUP
signal.SIGBREAK, errno.WSAEINVAL = signal.SIGUSR1, errno.EINVAL
sys.platform = "win32"

from loudsync.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""What a program on Windows meets, as far as another system can show it."""


@needs_signals
def test_nothing_of_posix_is_needed() -> None:
    enter = (sys.executable, "-W", "error", "-c", WITHOUT_POSIX)
    local = ("--host", "127.0.0.1", "--port", "0", "--json")
    with (
        loudsync_instead(enter, "host", "Party", *local) as host,
        loudsync_instead(enter, "discover", "--json") as search,
    ):
        session = host.event("listening")["session"]
        search.event("updated", lambda e: e["party"]["id"] == session["id"])
        with loudsync_instead(enter, "join", session["id"], "--json") as guest:
            guest.event("connected")
            guest.send(signal.SIGUSR1)
            assert guest.wait() == 0
            assert host.event("left")["reason"] == "left"
        host.send(signal.SIGTERM)
        assert (host.wait(), host.errors) == (0, "")
        search.send(signal.SIGINT)
        assert (search.wait(), search.errors) == (0, "")
