"""`loudsync nodes`: who shares the parties over NATS."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_process import loudsync
from cluster_nodes import Nodes, cluster
from loudsync import __version__
from loudsync.cli import main
from loudsync.cli.nodes import state_of
from loudsync.cluster import NodeReport
from nats_servers import nats_servers

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)


@pytest.fixture(scope="module")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nats_servers(tmp_path_factory.mktemp("nats")) as nats:
        yield nats.urls


@pytest.fixture(scope="module")
def nodes(nats_url: str) -> Iterator[Nodes]:
    with cluster(nats_url, 2) as nodes:
        yield nodes


async def test_each_node_with_what_it_has(nodes: Nodes, nats_url: str) -> None:
    party = await nodes[0].create()
    guests = [await nodes[1].seat(party, f"device-{number}") for number in range(3)]

    with loudsync("nodes", "--nats", nats_url, "--json") as command:
        first, second = command.event("node"), command.event("node")
        assert await asyncio.to_thread(command.wait) == 0
    with loudsync("nodes", "--nats", nats_url) as command:
        head, *rows = await asyncio.to_thread(command.rest)
        assert command.wait() == 0

    assert [first["name"], second["name"]] == ["n0", "n1"]
    assert [first["sessions"], second["sessions"]] == [1, 0]
    assert [first["members"], second["members"]] == [0, 3]
    for node, told, row in zip(nodes, (first, second), rows, strict=True):
        assert told["url"] == f"http://127.0.0.1:{node.port}"
        assert told["version"] == __version__
        assert told["state"] == "ready"
        assert 0 <= told["leaseAgeS"] < 15
        assert told["id"].startswith(told["name"])
        name, url, sessions, members, lease, unit, state = row.split()
        assert (name, url, unit, state) == (told["name"], told["url"], "s", "ready")
        assert int(sessions) == told["sessions"]
        assert int(members) == told["members"]
        assert 0 <= float(lease) < 15
    assert head.split() == ["Node", "Address", "Sessions", "Members", "Lease", "State"]
    for guest in guests:
        await guest.leave()


def test_a_frozen_node_is_shown_without_an_answer(tmp_path: Path) -> None:
    with nats_servers(tmp_path) as nats, cluster(nats.urls, 1) as frozen:
        frozen[0].freeze()
        with loudsync("nodes", "--nats", nats.urls) as command:
            _head, row = command.rest()
            assert command.wait() == 0
    assert row.startswith("n0 ")
    assert row.split()[-5:] == ["?", "?", "none", "no", "answer"]


def test_nobody_is_there(tmp_path: Path) -> None:
    with nats_servers(tmp_path) as nats:
        with loudsync("nodes", "--nats", nats.urls) as command:
            (line,) = command.rest()
            assert command.wait() == 0
        with loudsync("nodes", "--nats", nats.urls, "--json") as command:
            assert command.rest() == []
            assert command.wait() == 0
    assert "loudsync serve --nats" in line


def test_nats_that_can_not_be_reached_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert main(["nodes", "--nats", f"nats://me:hunter2@127.0.0.1:{port}"]) == 1

    out, err = capsys.readouterr()
    assert err.startswith("loudsync: ")
    assert f"127.0.0.1:{port}" in err
    assert "hunter2" not in err
    assert err.count("\n") == 1
    assert out == ""


def test_it_ends_when_it_is_asked_to(nats_url: str) -> None:
    # Something that takes connections and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with loudsync("nodes", "--nats", f"127.0.0.1:{port}") as command:
            connection, _ = silent.accept()
            command.send(signal.SIGTERM)
            assert command.wait() == 0
            connection.close()
    assert command.errors == ""


@pytest.mark.parametrize(
    "options",
    [["--nats-creds"], ["--nats-ca"], ["--nats-cert", __file__, "--nats-key"]],
    ids=str,
)
def test_a_file_that_is_not_there_is_one_line(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing")
    assert main(["nodes", "--nats", "127.0.0.1:1", *options, missing]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"loudsync: {options[-1]} {missing} can't be read: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--nats", "ftp://x"], "--nats"),
        (["--nats-cert", "c.pem"], "--nats-key"),
        (["--nats-replicas", "3"], "--nats-replicas"),
        (["x"], "x"),
    ],
    ids=str,
)
def test_wrong_usage_is_one_line(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nodes", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("loudsync: ")
    assert named in err
    assert err.count("\n") == 1


def test_states() -> None:
    def report(*, is_reachable: bool, is_draining: bool) -> NodeReport:
        return NodeReport(
            id="n-1",
            name="n",
            url="http://n:8080",
            version="1",
            is_reachable=is_reachable,
            is_draining=is_draining,
            sessions=0,
            members=0,
            lease_age_s=None,
        )

    assert state_of(report(is_reachable=True, is_draining=False)) == "ready"
    assert state_of(report(is_reachable=True, is_draining=True)) == "draining"
    assert state_of(report(is_reachable=False, is_draining=True)) == "no answer"
