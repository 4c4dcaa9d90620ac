"""`loudsync serve --state`: killed, stopped, started again, refused."""

import os
import signal
import sys
import urllib.request
from pathlib import Path

import msgspec
import pytest

from cli_process import listening_at, loudsync, loudsync_behind, serve
from loudsync.server import SqliteStore
from raw_http import exchange
from raw_peer import RawPeer
from stage import join

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_guest_keeps_its_seat_over_a_restart(
    tmp_path: Path, end: signal.Signals
) -> None:
    path = tmp_path / "parties.state"
    with serve(path) as first:
        url, port = listening_at(first)
        request = urllib.request.Request(
            f"{url}/sessions", b'{"name": "Party", "id": "abc123"}', method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            link = msgspec.json.decode(answer.read())["joinUrl"]
        with loudsync("join", link, "--name", "Ann", "--json") as ann:
            before = ann.event("connected")
            first.send(end)
            code = first.wait()
            assert code == (0 if end is signal.SIGTERM else -end)
            assert "Traceback" not in first.errors
            with serve(path, port=port) as second:
                listening_at(second)
                after = ann.event("connected")
                assert after["resumed"] is True
                assert after["clientId"] == before["clientId"]
                mine = [
                    [m["joinedAt"] for m in event["members"] if m["name"] == "Ann"]
                    for event in (before, after)
                ]
                assert mine[0] == mine[1]
                ann.send(signal.SIGTERM)
                assert ann.wait() == 0


def test_a_state_file_that_can_not_be_used_is_one_line(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("Dear diary")
    for path in (diary, tmp_path, tmp_path / "nowhere" / "party.state"):
        with serve(path) as process:
            assert process.wait() == 1
            assert process.errors.count("\n") == 1
            assert process.errors.startswith("loudsync: ")
            assert "--state" in process.errors
    assert diary.read_text() == "Dear diary"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's capabilities")
def test_a_state_file_that_may_not_be_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "parties.state"
    with serve(path) as server:
        listening_at(server)
        server.send(signal.SIGTERM)
        assert server.wait() == 0
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    path.chmod(0)
    # Root reads everything but for this.
    plain_root = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    enter = plain_root if os.geteuid() == 0 else ()
    local = ("--host", "127.0.0.1", "--port", "0")
    with loudsync_behind(enter, "serve", *local, "--state", str(path)) as process:
        assert process.wait() == 2
        assert process.errors.count("\n") == 1
        assert "is not readable" in process.errors
        assert "--state" in process.errors
    path.chmod(0o600)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


STORM = 300
KILLED_AFTER = 60


@pytest.mark.parametrize("sessions", [1, 20])
async def test_who_was_welcomed_before_a_kill_in_a_join_storm_is_in_the_file(
    tmp_path: Path, sessions: int
) -> None:
    path = tmp_path / "parties.state"
    with serve(path) as server:
        _, port = listening_at(server)
        for number in range(sessions):
            body = {"name": "Party", "id": f"s{number}", "maxMembers": 1000}
            request = msgspec.json.encode(body)
            head = f"POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(request)}\r\n\r\n"
            assert (await exchange(port, head.encode() + request)).status == 201
        peers = [await RawPeer.connect(port) for _ in range(STORM)]
        for number, peer in enumerate(peers):
            await peer.say(join(f"device-{number}", session_id=f"s{number % sessions}"))
        for peer in peers[:KILLED_AFTER]:
            assert (await peer.receive())["type"] == "welcome"
        server.send(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL
        for peer in peers:
            await peer.closed()
    welcomed = {
        (f"s{number % sessions}", f"device-{number}"): message["clientId"]
        for number, peer in enumerate(peers[KILLED_AFTER:], KILLED_AFTER)
        for message in peer.unread()
        if message["type"] == "welcome"
    }
    kept = SqliteStore(path)
    in_file = {
        (record.spec.id, seat.device_id): seat.member_id
        for record in kept.load()
        for seat in record.seats
    }
    await kept.close()
    for number in range(KILLED_AFTER):
        assert (f"s{number % sessions}", f"device-{number}") in in_file
    assert welcomed.items() <= in_file.items()
