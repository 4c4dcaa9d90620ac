"""`loudsync serve --state`: killed, stopped, started again, refused."""

import signal
import sys
import urllib.request
from pathlib import Path

import msgspec
import pytest

from cli_process import listening_at, loudsync, serve

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
