"""SIGHUP reads a renewed certificate, and still ends with the terminal."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cli_process import TIMEOUT_S, Process, clean_environment, loudsync

TESTS = Path(__file__).parent.parent
OLD = (
    TESTS / "cli" / "data" / "localhost.pem",
    TESTS / "cli" / "data" / "localhost-key.pem",
)
NEW = (
    TESTS / "server" / "data" / "localhost-cert.pem",
    TESTS / "server" / "data" / "localhost-key.pem",
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Process, tuple[str, int]]]:
    install(OLD, folder)
    tls = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    local = ("--host", "127.0.0.1", "--port", "0", "--json")
    with loudsync("serve", *local, *tls) as server:
        port = urlsplit(str(server.event("listening")["url"])).port or 0
        yield server, ("127.0.0.1", port)


def install(pair: tuple[Path, Path], folder: Path) -> None:
    for source, name in zip(pair, ("cert.pem", "key.pem"), strict=True):
        shutil.copyfile(source, folder / name)


def shown_at(address: tuple[str, int]) -> str:
    return ssl.get_server_certificate(address).strip()


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(
    tmp_path: Path,
) -> None:
    old, new = (pair[0].read_text().strip() for pair in (OLD, NEW))
    with serving(tmp_path) as (server, address):
        assert shown_at(address) == old
        install(NEW, tmp_path)
        assert shown_at(address) == old, "not before it is told"
        server.send(signal.SIGHUP)
        until(lambda: "tls_reloaded" in server.errors)
        assert shown_at(address) == new
        (tmp_path / "cert.pem").write_text("junk")
        server.send(signal.SIGHUP)
        until(lambda: "tls_reload_failed" in server.errors)
        assert shown_at(address) == new, "it goes on with what it has"
        server.send(signal.SIGTERM)
        assert server.wait() == 0
    assert "Traceback" not in server.errors


def test_the_end_of_its_terminal_still_ends_it(tmp_path: Path) -> None:
    import fcntl
    import pty
    import termios

    install(OLD, tmp_path)
    ours, its = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "loudsync", "serve"),
            *("--host", "127.0.0.1", "--port", "0"),
            *("--tls-cert", str(tmp_path / "cert.pem")),
            *("--tls-key", str(tmp_path / "key.pem")),
        ],
        stdin=its,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=take_terminal,
        env=clean_environment(),
    )
    os.close(its)
    try:
        assert process.stdout is not None
        assert b"Listening" in process.stdout.readline()
        os.close(ours)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
