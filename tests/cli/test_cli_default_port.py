"""Parties at port 8080: one file, as only one test can have it at a time."""

import signal
import socket
import sys

import pytest

from cli_process import loudsync, party

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)


def test_a_port_that_is_taken_is_passed_over_where_none_was_asked_for() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8080))
        except OSError:
            pass  # by another one: as good
        else:
            taken.listen()
        with loudsync("host", "Party", "--host", "127.0.0.1") as host:
            said = host.line()
            port = said.removesuffix(".").rpartition(" ")[2]
            assert said == f"Port 8080 is in use; this party is at {port}."
            assert 8080 < int(port) < 8100
            assert f":{port}/" in host.line_with("Guests open")
            host.send(signal.SIGINT)
            assert host.wait() == 0
        with loudsync("host", "P", "--host", "127.0.0.1", "--port", "8080") as host:
            assert host.wait() == 1
            assert "the port is in use" in host.errors


def test_an_unlisted_party_on_this_machine_is_joined_by_its_code() -> None:
    with party("--unlisted", "--port", "8080") as (host, listening):
        code = listening["session"]["id"]
        with loudsync("join", code, "--name", "Ann") as guest:
            guest.line_with("You are in Test Party")
            assert host.event("joined")["member"]["name"] == "Ann"
