"""`loudsync serve --workers`: one port, several processes, and all of them end."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from child_processes import wait_until
from cli_process import loudsync, loudsync_instead
from loudsync.cli import main
from loudsync.cli.workers import _Delays, describe_exit
from seated_peer import SeatedPeer
from worker_crew import LOCAL, Crew, children_of, is_running, workers

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux spreads connections over processes"
)

DATA = Path(__file__).parent / "data"
CERTIFICATE = (DATA / "localhost.pem", DATA / "localhost-key.pem")


API_KEY = "hunter2"


def open_party(url: str) -> dict[str, Any]:
    """Open a session; what POST /sessions answers."""
    body = {"name": "Party", "maxMembers": 100}
    head = {"Authorization": f"Bearer {API_KEY}"}
    request = urllib.request.Request(
        f"{url}/sessions", msgspec.json.encode(body), head, method="POST"
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(msgspec.json.decode(answer.read()))


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Two workers and their nats-server, for every test that leaves them running."""
    folder = tmp_path_factory.mktemp("crew")
    with workers(2, "--api-key", API_KEY, TMPDIR=str(folder)) as crew:
        yield crew
        crew.supervisor.send(signal.SIGTERM)
        assert crew.supervisor.wait() == 0
    assert list(folder.iterdir()) == []
    assert "Traceback" not in crew.supervisor.errors, crew.supervisor.errors


# --- One service ------------------------------------------------------------------


async def test_guests_of_one_party_come_to_all_workers(crew: Crew) -> None:
    party = await asyncio.to_thread(open_party, crew.url)
    guests = [
        await SeatedPeer.join(crew.port, party["id"], f"device-{number}")
        for number in range(40)
    ]
    here = crew.connections
    assert here.keys() == {"w-1", "w-2"}
    assert min(here.values()) > 0
    assert sum(here.values()) == len(guests)
    for guest in guests:
        await guest.ask_for_list()
        # The host, who hasn't come yet, has a seat.
        assert len(guest.members) == len(guests) + 1
    for guest in guests:
        await guest.leave()


def test_who_was_on_a_killed_worker_comes_back_and_so_does_the_worker(
    crew: Crew,
) -> None:
    link = open_party(crew.url)["joinUrl"]
    with loudsync("join", link, "--name", "Ann", "--json") as ann:
        before = ann.event("connected")
        (edge,) = [name for name, count in crew.connections.items() if count]
        crew.kill_worker(edge)
        after = ann.event("connected")
        assert after["resumed"] is True
        assert after["clientId"] == before["clientId"]
        # The other's turn: whoever owned the session, it lives.
        (other,) = {"w-1", "w-2"} - {edge}
        crew.kill_worker(other)
        ann.send(signal.SIGTERM)
        assert ann.wait() == 0
    first, second = (
        line for line in crew.supervisor.errors.splitlines() if "ended_unasked" in line
    )
    assert f"program={edge} reason='killed by SIGKILL'" in first
    assert f"program={other} reason='killed by SIGKILL'" in second


async def test_nats_server_is_started_again_where_it_was(crew: Crew) -> None:
    party = await asyncio.to_thread(open_party, crew.url)
    first = crew.nats_server
    os.kill(first, signal.SIGKILL)
    await asyncio.to_thread(
        wait_until,
        lambda: first not in (it := crew.all) and len(it) == 3,
        "another nats-server runs",
    )
    guest = await SeatedPeer.join(crew.port, party["id"], "device")
    await guest.leave()


def test_each_line_of_a_log_says_whose_it_is(crew: Crew) -> None:
    lines = crew.supervisor.errors.splitlines()
    assert {name for name in ("w-1", "w-2") if crew.listened(name)} == {"w-1", "w-2"}
    assert all(" node=w" in line for line in lines)


def test_what_lets_in_is_hidden_from_other_users(crew: Crew) -> None:
    config = Path(crew.all[crew.nats_server][-1])
    password = msgspec.json.decode(config.read_text())["authorization"]["password"]
    assert config.parent.stat().st_mode & 0o077 == 0
    assert config.stat().st_mode & 0o077 == 0
    words = " ".join(" ".join(it) for it in crew.all.values())
    assert password not in words
    assert API_KEY not in words
    assert password not in crew.supervisor.errors


# --- The end ----------------------------------------------------------------------


def test_a_renewed_certificate_reaches_all_and_a_second_signal_ends_at_once(
    tmp_path: Path,
) -> None:
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    for source, target in zip(CERTIFICATE, files, strict=True):
        shutil.copyfile(source, target)
    tls = ("--tls-cert", str(files[0]), "--tls-key", str(files[1]))
    with workers(2, *tls, TMPDIR=str(tmp_path)) as crew:
        assert crew.url.startswith("https://")
        crew.supervisor.send(signal.SIGHUP)
        wait_until(
            lambda: crew.supervisor.errors.count("tls_reloaded") == 2,
            "both have read it anew",
        )
        assert len(crew.workers) == 2
        started = set(crew.all)
        frozen = crew.workers["w-1"]
        os.kill(frozen, signal.SIGSTOP)
        crew.supervisor.send(signal.SIGTERM)
        wait_until(lambda: "w-2" not in crew.workers, "the other worker has ended")
        crew.supervisor.send(signal.SIGTERM)
        assert crew.supervisor.popen.wait(20) == -signal.SIGTERM
        os.kill(frozen, signal.SIGCONT)
        wait_until(lambda: not any(map(is_running, started)), "all have ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_end_closes_every_party_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with workers(2, TMPDIR=str(tmp_path)) as crew:
        started = set(crew.all)
        parties = [await asyncio.to_thread(open_party, crew.url) for _ in range(4)]
        guests = [
            await SeatedPeer.join(crew.port, party["id"], f"device-{at}")
            for at in range(3)
            for party in parties
        ]
        crew.supervisor.send(number)
        for guest in guests:
            while (message := await guest.raw.receive())["type"] != "session_closed":
                pass
            assert message["reason"] == "Server shutting down"
            await guest.raw.closed()
            await guest.raw.gone()
        assert await asyncio.to_thread(crew.supervisor.wait) == 0
    assert not any(is_running(pid) for pid in started)
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in crew.supervisor.errors, crew.supervisor.errors


async def test_with_a_folder_parties_outlive_the_end(tmp_path: Path) -> None:
    """The folder is nobody else's meanwhile, and free at once when all was killed."""
    state = ("--state", str(tmp_path / "parties"))
    with workers(2, *state) as crew:
        await asyncio.to_thread(_is_refused_the_folder, state)
        party = await asyncio.to_thread(open_party, crew.url)
        guest = await SeatedPeer.join(crew.port, party["id"], "device")
        crew.supervisor.send(signal.SIGTERM)
        assert await guest.raw.closed() == 1012
        await guest.raw.gone()
        assert await asyncio.to_thread(crew.supervisor.wait) == 0
    assert "Traceback" not in crew.supervisor.errors, crew.supervisor.errors
    with workers(2, *state) as crew:
        again = await SeatedPeer.join(crew.port, party["id"], "device")
        assert again.id == guest.id
        await again.raw.gone()
        crew.supervisor.kill()
        with workers(2, *state):
            pass
    assert "Traceback" not in crew.supervisor.errors, crew.supervisor.errors


def _is_refused_the_folder(state: tuple[str, str]) -> None:
    local = (*LOCAL, "--port", "0", "--workers", "2")
    with loudsync("serve", *local, *state) as second:
        assert second.wait() == 1
    assert second.errors.count("\n") == 1
    assert "is in use by another loudsync" in second.errors
    assert "--state" in second.errors


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with workers(3, TMPDIR=str(tmp_path)) as crew:
        started = set(crew.all)
        assert len(started) == 4
        crew.supervisor.kill()
        wait_until(lambda: not any(map(is_running, started)), "all have ended")


def test_it_can_be_ended_while_it_starts(tmp_path: Path) -> None:
    local = (*LOCAL, "--port", "0", "--workers", "3")
    with loudsync("serve", *local, TMPDIR=str(tmp_path)) as supervisor:
        pid = supervisor.popen.pid
        wait_until(lambda: bool(children_of(pid)), "something was started")
        supervisor.send(signal.SIGTERM)
        assert supervisor.wait() == 0
        assert children_of(pid) == {}
    assert "Traceback" not in supervisor.errors
    assert list(tmp_path.iterdir()) == []


# --- What can't be ----------------------------------------------------------------


def test_a_port_in_use_is_one_line_also_where_it_would_be_shared(crew: Crew) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for port in (crew.port, taken.getsockname()[1]):
            local = (*LOCAL, "--port", str(port), "--workers", "2")
            with loudsync("serve", *local) as second:
                assert second.wait() == 1
            assert second.errors.startswith("loudsync: Can't listen at 127.0.0.1:")
            assert "--port" in second.errors
            assert second.errors.count("\n") == 1


def test_what_keeps_workers_from_starting_is_told_once(tmp_path: Path) -> None:
    bad = tmp_path / "cert.pem"
    bad.write_text("junk")
    tls = ("--tls-cert", str(bad), "--tls-key", str(bad))
    local = (*LOCAL, "--port", "0", "--workers", "3")
    with loudsync("serve", *local, *tls, TMPDIR=str(tmp_path)) as process:
        assert process.wait() == 1
        assert children_of(process.popen.pid) == {}
    assert process.errors.startswith("loudsync: The TLS certificate")
    assert process.errors.count("\n") == 1
    assert process.rest() == []
    assert list(tmp_path.iterdir()) == [bad]


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("nats", ["--workers", "2"]),
        ("nats", ["--nats", "127.0.0.1:1"]),
        ("nkeys", ["--nats", "127.0.0.1:1", "--nats-creds", "some.creds"]),
    ],
    ids=str,
)
def test_what_is_not_installed_is_one_line(package: str, arguments: list[str]) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from loudsync.cli import main; sys.exit(main())"
    )
    program = (sys.executable, "-W", "error", "-c", code)
    local = ("serve", "--host", "127.0.0.1", "--port", "0")
    with loudsync_instead(program, *local, *arguments) as process:
        assert process.wait() == 1
    assert process.errors.startswith("loudsync: ")
    assert "loudsync[cluster]" in process.errors
    assert process.errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--workers", "0"], "--workers"),
        (["--workers", "many"], "--workers"),
        (["--workers", "2", "--node-name", "a.b"], "--node-name"),
        (["--workers", "2", "--node-name", "x" * 33], "--node-name"),
        (["--workers", "2", "--nats-creds", "x.creds"], "--nats"),
        (["--workers", "2", "--nats-replicas", "3"], "--nats"),
        (["--workers", "2", "--tls-cert", "c.pem"], "--tls-key"),
        (["--workers", "2", "--state", __file__], "--state"),
        (["--node-name", "left"], "--nats"),
        (["--nats-ca", "ca.pem"], "--nats"),
        (["--nats-cert", "c.pem", "--nats-key", "k.pem"], "--nats"),
        (["--nats", "localhost", "--nats-cert", "c.pem"], "--nats-key"),
        (["--nats", "localhost", "--nats-key", "k.pem"], "--nats-cert"),
        (["--nats", "localhost", "--state", "x"], "--state"),
        (["--nats", "localhost", "--nats-replicas", "2"], "--nats-replicas"),
        (["--nats", "http://localhost"], "--nats"),
        (["--nats", "nats://localhost:x"], "--nats"),
        (["--nats", "localhost:70000"], "--nats"),
        (["--nats", "a b"], "--nats"),
        (["--nats", ""], "--nats"),
        (["--nats", "nats://localhost,"], "--nats"),
    ],
    ids=lambda it: str(it)[:60],
)
def test_wrong_usage_is_one_line_that_names_it(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", "127.0.0.1", "--port", "0", *arguments]) == 2
    out, err = capsys.readouterr()
    assert named in err
    assert err.startswith("loudsync: ")
    assert err.count("\n") == 1
    assert out == ""


def test_a_password_in_a_wrong_address_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", "--port", "0", "--nats", "http://me:hunter2@localhost"]) == 2
    assert "hunter2" not in capsys.readouterr().err


# --- Small parts ------------------------------------------------------------------


def test_what_ends_again_and_again_is_started_more_slowly() -> None:
    delays = _Delays()
    assert [delays.after(1) for _ in range(8)] == [0, 0.25, 0.5, 1, 2, 4, 5, 5]
    assert [delays.after(30), delays.after(29.9)] == [0, 0.25]


def test_how_a_process_ended() -> None:
    assert describe_exit(1) == "exit code 1"
    assert describe_exit(-9) == "killed by SIGKILL"
    assert describe_exit(-200) == "killed by signal 200"
