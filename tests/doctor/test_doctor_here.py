"""The whole examination of this machine; firewall, clock and limits of any."""

import socket
import sys
from pathlib import Path

import pytest

import loudsync
from doctor_peers import levels, tcp_server, the
from loudsync.address import parse_address
from loudsync.doctor import Finding, Level, examine_machine
from loudsync.doctor.clock import (
    WRITTEN_S,
    duration,
    judge_clock,
    judge_skew,
    look_at_clock,
    newest_s,
)
from loudsync.doctor.firewall import (
    OPENED_BY,
    Firewall,
    find_linux_firewalls,
    judge_firewalls,
    linux_firewalls,
    look_at_firewall,
    macos_firewall,
    read_output,
    windows_firewall,
)
from loudsync.doctor.limits import (
    KEPT_BACK,
    MIN_FILES,
    judge_file_limit,
    look_at_file_limit,
)
from loudsync.server import file_limit

LOOPBACK = ("127.0.0.1",)

DAY_S = 86_400.0


async def examine(port: int, host: str = "127.0.0.1") -> list[Finding]:
    findings = examine_machine(
        host,
        port,
        interfaces=LOOPBACK,
        question_timeout_s=20,
    )
    return [found async for found in findings]


# --- All of it -----------------------------------------------------------------


async def test_a_free_port_on_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    findings = await examine(port)
    assert [f.check for f in findings if f.check != "firewall"] == [
        "port",
        "loopback",
        "mdns",
        "clock",
        "file-limit",
    ]
    found = levels(findings)
    assert found["port"] is Level.OK
    assert found["loopback"] is Level.PROBLEM
    assert found["mdns"] is Level.OK
    assert found["clock"] is Level.OK


async def test_a_server_that_runs_is_talked_to() -> None:
    async with loudsync.host("Party", host="127.0.0.1", port=0) as party:
        port = int(parse_address(party.join_url).base_url.rpartition(":")[2])
        findings = await examine(port)
    assert "A LoudSync server runs" in the(findings, "port").text
    assert the(findings, "websocket").level is Level.OK
    assert the(findings, "version").level is Level.OK
    assert the(findings, "loopback").level is Level.PROBLEM


async def test_a_port_that_another_program_has() -> None:
    async with tcp_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as port:
        findings = await examine(port)
    assert the(findings, "port").level is Level.PROBLEM
    assert "addresses" not in levels(findings)


# --- Firewalls -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("ufw", "firewalld", "services", "on"),
    [
        ("", "", "", []),
        ("ENABLED=yes\nLOGLEVEL=low\n", "", "", ["ufw"]),
        ("# ENABLED=yes\nENABLED=no\n", "not running\n", "", []),
        ("", "running\n", "", ["firewalld"]),
        ("", "not running\n", "active\ninactive\ninactive\n", ["nftables"]),
        ("", "", "inactive\nactive\nactive\n", ["iptables"]),
        ("ENABLED=yes", "", "active\nactive\nactive\n", ["ufw"]),
        ("", "", "System has not been booted with systemd", []),
    ],
)
def test_firewalls_of_linux(
    ufw: str, firewalld: str, services: str, on: list[str]
) -> None:
    assert [f.name for f in linux_firewalls(ufw, firewalld, services)] == on


@pytest.mark.parametrize(
    ("state", "on"),
    [
        ("Firewall is disabled. (State = 0)\n", []),
        ("Firewall is enabled. (State = 1)\n", [Firewall("macOS firewall")]),
        (
            "Firewall is blocking all non-essential incoming connections. (State = 2)",
            [Firewall("macOS firewall", blocks_all=True)],
        ),
        ("", []),
    ],
)
def test_the_firewall_of_macos(state: str, on: list[Firewall]) -> None:
    assert macos_firewall(state) == on


@pytest.mark.parametrize(
    ("profiles", "is_on"),
    [([1, 1, 1], True), ([0, 1], True), ([0], False), ([], False)],
)
def test_the_firewall_of_windows(profiles: list[int], is_on: bool) -> None:
    assert bool(windows_firewall(profiles)) == is_on


@pytest.mark.parametrize("name", OPENED_BY)
def test_every_firewall_has_what_opens_it(name: str) -> None:
    [found] = judge_firewalls([Firewall(name)], 9123, "/usr/bin/python3")
    assert found.level is Level.NOTE
    assert name in found.text
    assert "{" not in found.advice
    assert "9123" in found.advice
    if name == "macOS firewall":
        assert "--unblockapp /usr/bin/python3" in found.advice
    else:
        assert "5353" in found.advice or "mdns" in found.advice
    assert len(found.advice) < 500  # it is shown whole


def test_a_firewall_that_lets_nothing_in() -> None:
    [found] = judge_firewalls([Firewall("macOS firewall", blocks_all=True)], 1, "")
    assert found.level is Level.PROBLEM


def test_no_firewall() -> None:
    [found] = judge_firewalls([], 8080, "")
    assert found.level is Level.OK


async def test_this_machines_firewall() -> None:
    assert {f.check for f in await look_at_firewall(8080)} == {"firewall"}


@pytest.mark.skipif(sys.platform == "win32", reason="programs there are no scripts")
async def test_programs_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, lines in (
        ("firewall-cmd", '[ "$1" = --state ] && echo running'),
        ("systemctl", "echo active; echo inactive; echo inactive"),
    ):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    conf = tmp_path / "ufw.conf"
    assert await find_linux_firewalls(conf) == [Firewall("firewalld")]
    (tmp_path / "firewall-cmd").unlink()
    assert await find_linux_firewalls(conf) == [Firewall("nftables")]
    conf.write_text('ENABLED="yes"')
    assert await find_linux_firewalls(conf) == [Firewall("ufw")]


async def test_a_program_that_is_missing() -> None:
    assert await read_output("loudsync-has-no-such-program") == ""


async def test_a_program_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loudsync.doctor.firewall._PROGRAM_TIMEOUT_S", 0.05)
    wait = "import sys; sys.stdin.read(); import time; time.sleep(60)"
    assert await read_output(sys.executable, "-c", wait) == ""


# --- The clock -----------------------------------------------------------------


def test_this_machines_clock() -> None:
    [found] = look_at_clock()
    assert found.level is Level.OK


def test_the_newest_file(tmp_path: Path) -> None:
    import os

    for name, written_s in (("a", 100), ("b", 300), ("c", 200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (written_s, written_s))
    assert newest_s(tmp_path.iterdir()) == 300
    assert newest_s([]) == 0


@pytest.mark.parametrize(
    ("now_s", "newest_file_s", "level"),
    [
        (WRITTEN_S, 0.0, Level.OK),
        (WRITTEN_S - 1, 0.0, Level.PROBLEM),
        (0.0, 0.0, Level.PROBLEM),
        (WRITTEN_S + DAY_S, WRITTEN_S + 2 * DAY_S, Level.OK),
        (WRITTEN_S + DAY_S, WRITTEN_S + 2 * DAY_S + 1, Level.PROBLEM),
        (1e300, 0.0, Level.OK),
    ],
)
def test_a_clock_is_wrong_before_its_files(
    now_s: float, newest_file_s: float, level: Level
) -> None:
    assert judge_clock(now_s, newest_file_s).level is level


@pytest.mark.parametrize(
    ("skew_s", "is_secure", "level"),
    [
        (30.0, True, Level.OK),
        (30.1, True, Level.NOTE),
        (-30.1, False, Level.NOTE),
        (299.0, True, Level.NOTE),
        (300.0, True, Level.PROBLEM),
        (-300.0, True, Level.PROBLEM),
        (300.0, False, Level.NOTE),
    ],
)
def test_two_clocks(skew_s: float, is_secure: bool, level: Level) -> None:
    found = the(judge_skew(skew_s, is_secure=is_secure), "clock")
    assert found.level is level
    if level is not Level.OK:
        ahead = "the server's is" if skew_s > 0 else "this machine's is"
        assert ahead in found.text


def test_a_clock_that_is_not_told() -> None:
    assert judge_skew(None, is_secure=True) == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (31, "31 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# --- Files ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "level", "part"),
    [
        (0, Level.OK, "no limit"),
        (MIN_FILES - 1, Level.PROBLEM, "about 191 guests"),
        (MIN_FILES, Level.OK, "about 192 guests"),
        (10, Level.PROBLEM, "about 0 guests"),
    ],
)
@pytest.mark.parametrize("platform", ["linux", "darwin", "freebsd14"])
def test_room_for_guests(limit: int, level: Level, part: str, platform: str) -> None:
    found = judge_file_limit(limit, platform)
    assert found.level is level
    assert part in found.text
    assert ("launchctl" in found.advice) == (
        platform == "darwin" and level is Level.PROBLEM
    )


def test_the_server_keeps_as_much_back() -> None:
    assert file_limit._KEPT_BACK == KEPT_BACK


def test_this_machines_limit() -> None:
    [found] = look_at_file_limit()
    assert found.check == "file-limit"
