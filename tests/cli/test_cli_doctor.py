"""`loudsync doctor`: what it prints, as a process and by itself."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import loudsync
from cli_process import loudsync as run_loudsync
from cli_process import party
from doctor_peers import tcp_server
from loudsync.cli.checkup import doctor
from loudsync.errors import InvalidSetting

DATA = Path(__file__).parent / "data"

HERE = ("--host", "127.0.0.1", "--interface", "127.0.0.1")


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def by_check(lines: list[str]) -> dict[str, dict[str, Any]]:
    findings = [json.loads(line) for line in lines]
    assert all(list(f) == ["check", "level", "text", "advice"] for f in findings)
    assert all((f["level"] == "ok") == (f["advice"] == "") for f in findings)
    return {finding["check"]: finding for finding in findings}


async def examine(url: str | None = None, **more: Any) -> int:
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 8080,
        "interface": ("127.0.0.1",),
        "as_json": False,
        "stop": asyncio.Event(),
    }
    return await doctor(url, **{**options, **more})


# --- By itself -----------------------------------------------------------------


async def test_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    async with loudsync.host("[red]Party", host="127.0.0.1", port=0) as there:
        assert await examine(there.join_url) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0]
        == f"Looking whether guests can come by {there.join_url} (Ctrl-C stops it)"
    )
    assert lines[-1] == "Nothing is wrong here."
    assert 'ok     The party "[red]Party" is open: 1 of 10 seats are taken.' in lines
    assert all(
        re.match(r"(ok     |note   |wrong  |       (→|->) )\S", line)
        for line in lines[1:-1]
    )


async def test_something_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert await examine(f"127.0.0.1:{free_port()}") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith("wrong  Nothing listens")
    assert lines[-2].lstrip(" →->").startswith("Start a party")
    assert lines[-1] == "One thing is wrong; see above."


async def test_foreign_text_moves_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://x/\xe2\x80\xae\r\nContent-Length: 0\r\n\r\n"
    async with tcp_server(answer) as port:
        assert await examine(f"127.0.0.1:{port}") == 1
    out = capsys.readouterr().out
    assert "sends everybody on to http://x/" in out
    assert "\u202e" not in out


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"url": "ftp://localhost"}, "url"),
        ({"url": "localhost:70000"}, "url"),
        ({"url": "a b"}, "url"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        ({"interface": ("wlan0",)}, "interface"),
        ({"interface": ("127.0.0.1", "")}, "interface"),
    ],
)
async def test_wrong_usage(
    wrong: dict[str, Any], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        await examine(**wrong)
    assert caught.value.name == name
    assert capsys.readouterr().out == ""


async def test_a_stop_ends_it_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    stop = asyncio.Event()
    async with tcp_server(b"") as port:
        stop.set()
        assert await examine(f"127.0.0.1:{port}", stop=stop) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Stopped. Nothing wrong was found so far."
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no such terminals there")
async def test_a_terminal_gets_colours_and_whole_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    master, slave = os.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert await examine(f"127.0.0.1:{free_port()}") == 1
        monkeypatch.undo()
        terminal.flush()
        # A terminal gives what it has piece by piece.
        os.set_blocking(master, False)
        pieces = []
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(master, 65_536):
                pieces.append(piece)
    os.close(master)
    written = b"".join(pieces).decode()
    assert "\x1b[1;31mwrong  \x1b[0mNothing listens at port" in written
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert max(map(len, plain.split("\r\n"))) < 60
    assert "\r\n         " in plain  # what is broken goes on below its beginning


# --- As a process --------------------------------------------------------------


@pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)
def test_a_party_from_outside() -> None:
    with party() as (host, listening):
        with (
            run_loudsync("doctor", listening["joinUrl"], "--json") as guest,
            run_loudsync(
                "doctor", f"{listening['url']}/?session=nobody", "--json"
            ) as lost,
        ):
            findings = by_check(guest.rest())
            assert guest.wait() == 0
            assert guest.errors == ""
            assert findings["session"]["level"] == "ok"
            findings = by_check(lost.rest())
            assert lost.wait() == 1
            assert findings["session"]["level"] == "problem"
        host.send(signal.SIGTERM)
        assert host.wait() == 0


@pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)
def test_a_party_with_tls() -> None:
    certificate, key = DATA / "localhost.pem", DATA / "localhost-key.pem"
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with party(*tls) as (_, listening):
        link = listening["joinUrl"]
        with (
            run_loudsync(
                "doctor", link, "--json", SSL_CERT_FILE=str(certificate)
            ) as guest,
            run_loudsync("doctor", link, "--json") as stranger,
        ):
            findings = by_check(guest.rest())
            assert guest.wait() == 0, guest.errors
            assert findings["tls"]["text"].endswith("until 2126-10-30.")
            assert findings["websocket"]["level"] == "ok"
            assert findings["session"]["level"] == "ok"
            findings = by_check(stranger.rest())
            assert stranger.wait() == 1
            assert "made its certificate itself" in findings["tls"]["text"]
            assert "websocket" not in findings


def test_this_machine() -> None:
    with run_loudsync("doctor", *HERE, "--port", free_port(), "--json") as process:
        findings = by_check(process.rest())
        assert process.wait() == 1
        assert process.errors == ""
    assert findings["port"]["level"] == "ok"
    assert findings["loopback"]["level"] == "problem"
    assert findings["mdns"]["level"] == "ok"
    assert list(findings)[-2:] == ["clock", "file-limit"]


def test_variables_and_lines() -> None:
    with run_loudsync(
        "doctor",
        LOUDSYNC_HOST="127.0.0.1",
        LOUDSYNC_PORT=free_port(),
        LOUDSYNC_INTERFACE="127.0.0.1",
        FORCE_COLOR="1",
        PYTHONIOENCODING="ascii",
    ) as process:
        lines = process.rest()
        assert process.wait() == 1
    assert "\x1b" not in "".join(lines)
    assert any(line.startswith("       -> Start it without --host") for line in lines)
    assert lines[-1] == "One thing is wrong; see above."


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("ftp://localhost",), "ftp"),
        (("localhost:70000",), "address"),
        (("--port", "0"), "--port"),
        (("--interface", "wlan0"), "--interface"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], named: str) -> None:
    with run_loudsync("doctor", *arguments) as process:
        assert process.wait() == 2
        assert process.errors.startswith("loudsync: ")
        assert process.errors.count("\n") == 1
        assert named in process.errors


@pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)
def test_ctrl_c_ends_it_with_what_was_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with run_loudsync("doctor", f"127.0.0.1:{port}") as process:
            process.line_with("The way to 127.0.0.1")
            process.send(signal.SIGINT)
            assert process.rest()[-1] == "Stopped. Nothing wrong was found so far."
            assert process.wait() == 0
            assert process.errors == ""
