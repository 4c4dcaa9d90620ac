"""Parties between real processes on loopback."""

import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from cli_process import Fields, Process, loudsync, party

DATA = Path(__file__).parent / "data"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server for many sessions."""
    local = ("--host", "127.0.0.1", "--port", "0")
    with loudsync("serve", *local, "--json") as process:
        yield str(process.event("listening")["url"])
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert process.rest() == []
        assert "session_opened" in process.errors


@pytest.fixture(scope="module", autouse=True)
def abandoned() -> Iterator[Process]:
    """A guest whose host is gone without a word.

    It takes its time to give up, so it starts ahead of the other tests.
    """
    with (
        party() as (host, listening),
        loudsync("join", listening["joinUrl"], "--json") as guest,
    ):
        guest.event("connected")
        host.kill()
        yield guest


def call(method: str, url: str, body: Fields | None = None, token: str = "") -> Any:
    request = urllib.request.Request(
        url,
        method=method,
        data=msgspec.json.encode(body) if body is not None else None,
        headers={
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {token}"} if token else {}),
        },
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        text = response.read()
    return msgspec.json.decode(text) if text else None


def open_session(server: str, **more: Any) -> Fields:
    body = {"name": "Far Party", **more}
    return cast("Fields", call("POST", f"{server}/sessions", body))


def called(name: str) -> Any:
    return lambda event: event["member"]["name"] == name


def one_error(process: Process) -> str:
    """The one line on standard error; after the end."""
    assert process.errors.startswith("loudsync: ")
    assert process.errors.count("\n") == 1
    return process.errors


# --- host and join -----------------------------------------------------------


def test_guests_come_and_go_and_the_end_of_the_host_is_theirs() -> None:
    """Link, code and address lead to the party; each end is seen, exit code 0."""
    with party("--session-id", "abc", "--max-members", "5") as (host, listening):
        assert listening == {
            "event": "listening",
            "url": listening["url"],
            "session": {"id": "abc", "name": "Test Party", "maxMembers": 5},
            "joinUrl": f"{listening['url']}/?session=abc",
        }
        place = listening["url"].removeprefix("http://")
        assert ":0" not in place
        with (
            loudsync("join", listening["joinUrl"], "--name", "Link", "--json") as link,
            loudsync("join", "abc", "--server", place, "--name", "Code") as code,
            loudsync("join", place, "--session", "abc", "--name", "Address") as address,
        ):
            arrived = {host.event("joined")["member"]["name"] for _ in range(3)}
            assert arrived == {"Link", "Code", "Address"}
            assert link.event("connected")["session"]["name"] == "Test Party"
            code.line_with("You are in Test Party")
            address.line_with("You are in Test Party")

            address.send(signal.SIGINT)
            assert host.event("left")["reason"] == "left"
            assert address.wait() == 0
            assert address.rest()[-1] == "You left the party."
            assert link.event("left")["member"]["name"] == "Address"

            host.send(signal.SIGTERM)
            assert host.wait() == 0
            assert host.event("session_ended")["reason"] == "Server shutting down"
            assert link.wait() == 0
            assert link.event("session_ended")["reason"] == "Server shutting down"
            assert link.rest() == []
            assert code.wait() == 0
            assert "Server shutting down" in code.rest()[-1]
            assert [p.errors for p in (host, link, code, address)] == [""] * 4


def test_lines_for_people_who_pipe() -> None:
    local = ("--host", "127.0.0.1", "--port", "0")
    # FORCE_COLOR makes rich take a pipe for a terminal.
    with loudsync("host", "[red]Piped[/red]", *local, FORCE_COLOR="1") as host:
        assert host.line().startswith("[red]Piped[/red] is open, with 10 seats.")
        link = host.line().removeprefix("Guests open ")
        code = link.partition("session=")[2]
        assert host.line() == f"or type: loudsync join {code}"
        with loudsync("join", link, "--name", "[b]Ben[/b]") as guest:
            assert host.line_with("joined").endswith("  [b]Ben[/b] joined")
            guest.line_with("You are in [red]Piped[/red]; members: 2")
            guest.send(signal.SIGTERM)
            assert host.line_with("left").endswith("  [b]Ben[/b] left")
            assert guest.wait() == 0
        host.send(signal.SIGINT)
        assert host.wait() == 0
        assert "The party is over: Server shutting down" in host.rest()[-1]
        assert host.errors == ""


def test_every_option_can_be_a_variable() -> None:
    with loudsync(
        "host",
        "Variables",
        LOUDSYNC_HOST="127.0.0.1",
        LOUDSYNC_PORT="0",
        LOUDSYNC_JSON="1",
        LOUDSYNC_SESSION_ID="from-env",
        LOUDSYNC_MAX_MEMBERS="3",
        LOUDSYNC_LISTED="0",
        LOUDSYNC_PUBLIC_URL="https://party.example.org/",
        LOUDSYNC_HEARTBEAT_TIMEOUT="2.5",
        LOUDSYNC_LOG_LEVEL="INFO",
        LOUDSYNC_LOG_FORMAT="json",
    ) as host:
        listening = host.event("listening")
        assert listening["session"]["id"] == "from-env"
        assert listening["session"]["maxMembers"] == 3
        assert listening["joinUrl"] == "https://party.example.org/?session=from-env"
        host.send(signal.SIGINT)
        assert host.wait() == 0
        logs = [msgspec.json.decode(line) for line in host.errors.splitlines()]
        assert "listening" in [log["event"] for log in logs]


def test_tls_from_end_to_end() -> None:
    certificate, key = DATA / "localhost.pem", DATA / "localhost-key.pem"
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with party(*tls) as (host, listening):
        link = listening["joinUrl"]
        assert link.startswith("https://127.0.0.1:")
        with (
            loudsync("join", link, SSL_CERT_FILE=str(certificate)) as guest,
            loudsync("join", link, "--json") as stranger,
        ):
            guest.line_with("You are in Test Party")
            assert stranger.wait() == 1
            assert "certificate" in one_error(stranger)
            host.send(signal.SIGTERM)
            assert guest.wait() == 0
            assert host.wait() == 0


# --- what ends a guest -------------------------------------------------------


def test_a_remote_host_kicks_and_leaves(server: str) -> None:
    session = open_session(server, id="far", hostName="Away")
    variables = {"LOUDSYNC_TOKEN": session["hostToken"]}
    with (
        loudsync("join", session["joinUrl"], "--name", "Host", **variables) as host,
        loudsync("join", session["joinUrl"], "--name", "Ben", "--json") as guest,
        loudsync("join", session["joinUrl"], "--name", "Eve", "--json") as other,
    ):
        host.line_with("You are in Far Party")
        members = guest.event("connected")["members"]
        ben = next(m["id"] for m in members if m["name"] == "Ben")
        other.event("connected")

        url = f"{server}/sessions/far/members/{ben}"
        call("DELETE", url, token=session["hostToken"])
        assert guest.wait() == 1
        assert "removed" in one_error(guest)
        assert other.event("left", called("Ben"))["reason"] == "kicked"

        host.send(signal.SIGINT)
        assert host.wait() == 0
        assert other.wait() == 0
        other.event("session_ended")


def test_a_refusal_is_one_line_that_says_what_to_do(server: str) -> None:
    full = open_session(server, maxMembers=1)["joinUrl"]
    free = open_session(server)["joinUrl"]
    with (
        loudsync("join", full) as too_many,
        loudsync("join", free, "--session", "nobody") as nowhere,
        loudsync("join", free, "--token", "wrong") as impostor,
    ):
        for guest, advice in (
            (too_many, "wait until a seat is free"),
            (nowhere, "check the code"),
            (impostor, "check --token"),
        ):
            assert guest.wait() == 1
            assert advice in one_error(guest)


# --- signals and streams -----------------------------------------------------


def test_a_second_signal_ends_at_once() -> None:
    with party() as (host, listening):
        port = int(listening["url"].rpartition(":")[2])
        # Who says nothing holds up the end for a moment.
        with socket.create_connection(("127.0.0.1", port), timeout=20):
            host.send(signal.SIGINT)
            host.event("session_ended")
            host.send(signal.SIGTERM)
            assert host.wait() == -signal.SIGTERM


def test_a_guest_who_waits_for_an_answer_can_give_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        port = silent.getsockname()[1]
        with loudsync("join", f"127.0.0.1:{port}", "--session", "abc") as guest:
            connection, _ = silent.accept()
            with connection:
                guest.send(signal.SIGINT)
                assert guest.wait() == 0
                assert guest.errors == ""


def test_a_connection_lost_for_good_is_a_failure(abandoned: Process) -> None:
    attempts = [abandoned.event("state_changed") for _ in range(4)]
    assert [a.get("attempt") for a in attempts] == [1, 2, 3, None]
    assert abandoned.wait() == 1
    assert "join again" in one_error(abandoned)
