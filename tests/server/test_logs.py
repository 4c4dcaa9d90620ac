"""Logs: quiet in a library, one JSON object a line where asked for."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from loudsync import SessionServer
from loudsync.server.logs import get_logger

STORY = """
import asyncio, logging
from loudsync import SessionServer
from loudsync.server.logs import configure_logs, get_logger

configure_logs({log_format!r}{more})
get_logger("server").info("said", session="abc123", number=5, text="Fête\\nnext")
get_logger("server").debug("whispered")
logging.getLogger("somebody.else").warning("a %s of theirs", "line")
try:
    1 / 0
except ZeroDivisionError:
    get_logger("server").error("failed", exc_info=True)
    logging.getLogger("somebody.else").exception("failed too")

async def main():
    async with SessionServer(host="127.0.0.1", port=0) as server:
        await server.create_session("Party", session_id="abc123")

asyncio.run(main())
"""


def run(log_format: str, more: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", STORY.format(**locals())],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )


def test_json_is_one_object_a_line_on_stderr() -> None:
    done = run("json")
    assert done.stdout == ""
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in done.stderr.splitlines()
    ]
    assert all(isinstance(line, dict) for line in lines)
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    said, theirs, failed, failed_too, *party = lines
    assert (said["event"], said["level"]) == ("said", "info")
    assert (said["session"], said["number"]) == ("abc123", 5)
    assert said["text"] == "Fête\nnext"
    assert said["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("a line of theirs", "warning")
    for fault in (failed, failed_too):
        assert fault["level"] == "error"
        assert "ZeroDivisionError: division by zero" in fault["exception"]
        assert "Traceback" in fault["exception"]
    assert [line["event"] for line in party] == [
        "listening",
        "session_opened",
        "session_closed",
        "stopped",
    ]
    assert party[1]["session"] == "abc123"


def test_the_level_can_be_chosen() -> None:
    done = run("json", ", level=logging.DEBUG")
    assert "whispered" in done.stderr
    done = run("json", ", level=logging.ERROR")
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["failed", "failed too"]


def test_console_is_for_people() -> None:
    done = run("console")
    assert done.stdout == ""
    assert "said" in done.stderr
    assert "session=abc123" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "\x1b[" not in done.stderr, "no colours into a pipe"


def test_a_library_configures_nothing() -> None:
    """Without a handler only warnings show, as for any library."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import logging\n"
                "from loudsync.server.logs import get_logger\n"
                "log = get_logger('server')\n"
                "log.info('quiet', key=1)\n"
                "log.warning('loud', key=1)\n"
                "assert not logging.getLogger().handlers\n"
            ),
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "loud\n")


def test_events_go_to_the_programs_own_logging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "loudsync")
    get_logger("server").info("opened", session="abc123")
    (record,) = caplog.records
    assert record.name == "loudsync.server"
    assert record.getMessage() == "opened"
    assert getattr(record, "session", None) == "abc123"


async def test_what_a_server_tells(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "loudsync")
    async with SessionServer(host="127.0.0.1", port=0) as server:
        session = await server.create_session("Party", remote_host=True)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["listening", "session_opened", "session_closed", "stopped"]
    everything = " ".join(str(vars(record)) for record in caplog.records)
    assert session.host_token
    assert session.host_token not in everything
