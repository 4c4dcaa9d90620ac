"""Sessions in a file: killed, restarted, refused (contract, section 8)."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.core import SessionSpec
from loudsync.errors import StartFailed
from loudsync.protocol import SessionId
from loudsync.server import SqliteStore
from loudsync.testing import MemoryServer
from raw_peer import RawPeer, until
from stage import FlowClock


@asynccontextmanager
async def served(
    path: Path, clock: FlowClock | None = None
) -> AsyncIterator[SessionServer]:
    async with SessionServer(
        host="127.0.0.1",
        port=0,
        settings=ServerSettings(max_message_rate=0),
        store=SqliteStore(path),
        clock=clock or FlowClock(),
    ) as server:
        yield server


def join(device: str, name: str = "Ann", **more: Any) -> dict[str, Any]:
    kind = "host" if "token" in more else "client"
    info = {"id": device, "name": name, "type": kind}
    return {"type": "join", "sessionId": "abc123", "deviceInfo": info, **more}


async def joined(
    server: SessionServer, device: str, **more: Any
) -> tuple[RawPeer, Any]:
    peer = await RawPeer.connect(server.port)
    await peer.say(join(device, **more))
    welcome = await peer.receive()
    assert welcome["type"] == "welcome", welcome
    members = (await peer.receive())["members"]
    (me,) = [member for member in members if member["id"] == welcome["clientId"]]
    return peer, me


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "party.state"


async def test_a_stopped_server_leaves_its_sessions_on_disk(path: Path) -> None:
    async with served(path) as server:
        session = await server.create_session(
            "Party", session_id="abc123", remote_host=True, listed=True, max_members=7
        )
        token = session.host_token
        host, host_me = await joined(server, "host-device", token=token)
        ann, ann_me = await joined(server, "device-1")
        await joined(server, "device-2")
        await host.say({"type": "kicked", "memberId": "client-2"})
        for _ in range(2):
            await host.receive()
        stopping = asyncio.ensure_future(server.stop())
        assert await ann.closed() == 1012
        assert await host.closed() == 1012
        assert ann.unread()[-1]["type"] != "session_closed"
        await stopping
    async with served(path) as server:
        (kept,) = server.sessions()
        assert (kept.id, kept.name, kept.max_members) == ("abc123", "Party", 7)
        assert [m.connection_status for m in kept.members] == ["reconnecting"] * 2
        again, again_me = await joined(server, "device-1")
        assert (again_me["id"], again_me["joinedAt"]) == (
            ann_me["id"],
            ann_me["joinedAt"],
        )
        back, back_me = await joined(server, "host-device", token=token)
        assert back_me["id"] == host_me["id"]
        banned = await RawPeer.connect(server.port)
        await banned.say(join("device-2"))
        assert (await banned.receive())["code"] == "unauthorized"
        new, new_me = await joined(server, "device-3")
        assert new_me["id"] == "client-3", "an id is never used twice"
        for peer in (again, back, banned, new, host, ann):
            await peer.gone()


async def test_seats_that_nobody_reclaims_end_with_timeout(path: Path) -> None:
    async with served(path) as server:
        session = await server.create_session(
            "Party", session_id="abc123", remote_host=True
        )
        token = session.host_token
        host, _ = await joined(server, "host-device", token=token)
        await host.gone()
        for device in ("device-1", "device-2"):
            peer, _ = await joined(server, device)
            await peer.gone()
    clock = FlowClock()
    async with served(path, clock) as server:
        clock.advance(14)
        host, _ = await joined(server, "host-device", token=token)
        clock.advance(6)
        left = [await host.receive() for _ in range(2)]
        assert [(m["type"], m["reason"]) for m in left] == [
            ("member_left", "timeout")
        ] * 2
        await host.gone()


async def test_a_closed_session_is_gone_from_the_disk(path: Path) -> None:
    async with served(path) as server:
        session = await server.create_session("Party", remote_host=True)
        await session.close()
    async with served(path) as server:
        assert server.sessions() == []


async def test_what_was_answered_survives_a_kill(path: Path, tmp_path: Path) -> None:
    """What a killed process leaves is the file as it is at that moment."""
    async with served(path) as server:
        await server.create_session("Party", session_id="abc123", remote_host=True)
        ann, ann_me = await joined(server, "device-1")
        left_behind = tmp_path / "left.state"
        for suffix in ("", "-wal"):
            source = Path(f"{path}{suffix}")
            if source.exists():
                Path(f"{left_behind}{suffix}").write_bytes(source.read_bytes())
        await ann.gone()
    async with served(left_behind) as server:
        again, again_me = await joined(server, "device-1")
        assert (again_me["id"], again_me["joinedAt"]) == (
            ann_me["id"],
            ann_me["joinedAt"],
        )
        await again.gone()


async def test_heartbeats_and_statuses_write_nothing(path: Path) -> None:
    async with served(path) as server:
        await server.create_session("Party", session_id="abc123", remote_host=True)
        ann, _ = await joined(server, "device-1")
        bob, _ = await joined(server, "device-2")
        await ann.receive()
        before = _stamp(path)
        for _ in range(20):
            await ann.say({"type": "heartbeat"})
            await ann.say({"type": "ping"})
            assert (await ann.receive())["type"] == "pong"
        await bob.hang_up(1006)
        assert (await ann.receive())["type"] == "member_list"
        again, _ = await joined(server, "device-2")
        assert _stamp(path) == before
        for peer in (ann, bob, again):
            await peer.gone()


def _stamp(path: Path) -> list[tuple[int, int]]:
    files = (Path(f"{path}{suffix}").stat() for suffix in ("", "-wal"))
    return [(status.st_mtime_ns, status.st_size) for status in files]


async def refusal(path: Path) -> str:
    with pytest.raises(StartFailed) as refused:
        async with served(path):
            pass
    text = str(refused.value)
    assert "\n" not in text
    assert str(path) in text
    assert "--state" in text
    return text


async def test_a_foreign_file_is_refused_and_left_untouched(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 100)
    before = path.read_bytes()
    assert "is not a LoudSync state file" in await refusal(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


async def test_another_programs_database_is_refused(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE session (id TEXT)")
    database.commit()
    database.close()
    before = path.read_bytes()
    assert "is not a LoudSync state file" in await refusal(path)
    assert path.read_bytes() == before


async def test_a_newer_file_is_refused_and_left_untouched(path: Path) -> None:
    async with served(path):
        pass
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 2")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    before = path.read_bytes()
    assert "was written by a newer LoudSync" in await refusal(path)
    assert path.read_bytes() == before


async def test_a_damaged_file_is_refused(path: Path) -> None:
    async with served(path) as server:
        await server.create_session("Party", remote_host=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    assert "is damaged" in await refusal(path)


def wal_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def test_a_foreign_file_is_left_untouched_with_what_is_beside_it(
    path: Path,
) -> None:
    path.write_bytes(b"Dear diary, " * 100)
    for suffix in ("-wal", "-journal", "-shm", "-wal-kept"):
        Path(f"{path}{suffix}").write_bytes(b"Mine too")
    before = all_bytes(path.parent)
    assert "is not a LoudSync state file" in await refusal(path)
    assert all_bytes(path.parent) == before


@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_newer_file_that_was_killed_is_left_untouched(
    path: Path, tmp_path: Path, is_committed: bool
) -> None:
    """Its version is in the log only; SQLite would take the log in."""
    async with served(path):
        pass
    folder = tmp_path / "killed"
    folder.mkdir()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN")
    database.execute("PRAGMA user_version = 2")
    database.execute("COMMIT" if is_committed else "ROLLBACK")
    killed = folder / "party.state"
    for suffix in ("", "-wal"):
        Path(f"{killed}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    database.close()
    before = all_bytes(folder)
    assert int.from_bytes(before["party.state"][60:64], "big") == 1
    if is_committed:
        assert "was written by a newer LoudSync" in await refusal(killed)
        assert all_bytes(folder) == before
    else:
        async with served(killed):
            pass


async def test_a_damaged_log_is_refused_and_left_untouched(path: Path) -> None:
    async with served(path) as server:
        await server.create_session("Party", remote_host=True)
    wal_of(path).write_bytes(b"Dear diary, " * 1000)
    before = all_bytes(path.parent)
    assert "is damaged (in party.state-wal)" in await refusal(path)
    assert all_bytes(path.parent) == before


async def test_a_log_that_breaks_off_counts_up_to_its_last_whole_commit(
    path: Path, tmp_path: Path
) -> None:
    """As after a power cut: what breaks off was never said."""
    folder = tmp_path / "cut"
    folder.mkdir()
    cut = folder / "party.state"
    async with served(path) as server:
        await server.create_session("Party", session_id="abc123", remote_host=True)
        ann, _ = await joined(server, "device-1")
        cut.write_bytes(path.read_bytes())
        wal = bytearray(wal_of(path).read_bytes())
        await ann.gone()
    last = max(commit_frames(wal))
    wal[last + 100] ^= 0xFF
    wal_of(cut).write_bytes(wal)
    async with served(cut) as server:
        (kept,) = server.sessions()
        assert [member.id for member in kept.members] == ["host-1"]


async def test_a_file_that_may_not_be_read_is_refused(path: Path) -> None:
    async with served(path) as server:
        await server.create_session("Party", remote_host=True)
    before = all_bytes(path.parent)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    assert "Permission denied" in await refusal(path)
    path.chmod(0o600)
    assert all_bytes(path.parent) == before


async def test_a_clean_stop_leaves_a_whole_file_and_an_empty_log(
    path: Path, tmp_path: Path
) -> None:
    """So a copy of the file alone is a backup, and takes no older log in."""
    async with served(path) as server:
        await server.create_session("Party", session_id="abc123", remote_host=True)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, wal_of(path).name}
    assert not any(wal_of(path).read_bytes()[:32])
    copy = tmp_path / "copy.state"
    copy.write_bytes(path.read_bytes())
    async with served(copy) as server:
        assert [session.id for session in server.sessions()] == ["abc123"]


async def test_a_log_that_was_left_moved_aside_is_put_back(path: Path) -> None:
    async with served(path):
        pass
    wal_of(path).rename(f"{wal_of(path)}-kept")
    async with served(path) as server:
        assert server.sessions() == []
        assert not Path(f"{wal_of(path)}-kept").exists()


async def test_what_a_killed_process_left_of_a_closed_session_is_cleared_away(
    path: Path,
) -> None:
    async with served(path) as server:
        await server.create_session("Party", session_id="abc123", remote_host=True)
        ann, _ = await joined(server, "device-1")
        await ann.gone()
    database = sqlite3.connect(path)
    database.execute("DELETE FROM session")
    database.execute("INSERT INTO kicked VALUES ('abc123', 'device-9')")
    database.commit()
    database.close()
    async with served(path) as server:
        session = await server.create_session(
            "Another", session_id="abc123", remote_host=True
        )
        assert len(session.members) == 1
        new, _ = await joined(server, "device-9")
        await new.gone()


def commit_frames(wal: bytes | bytearray) -> list[int]:
    """Where the log's commits begin: their last frames, by SQLite's format."""
    page_bytes, salt = int.from_bytes(wal[8:12], "big"), wal[16:24]
    frames = range(32, len(wal) - page_bytes, 24 + page_bytes)
    return [
        at
        for at in frames
        if wal[at + 8 : at + 16] == salt and any(wal[at + 4 : at + 8])
    ]


@pytest.mark.parametrize("sessions", [1, 50])
async def test_the_joins_of_one_turn_share_one_commit(
    path: Path, sessions: int
) -> None:
    store = SqliteStore(path)
    store.load()
    server = MemoryServer(store=store)
    for number in range(sessions):
        spec = SessionSpec(
            id=SessionId(f"s{number}"), name="P", host_name="H", max_members=200
        )
        await server.runner.create(spec)
    guests = [server.connect() for _ in range(100)]
    before = len(commit_frames(wal_of(path).read_bytes()))
    for number, guest in enumerate(guests):
        guest.say({**join(f"device-{number}"), "sessionId": f"s{number % sessions}"})
        assert guest.received == []
    await until(lambda: all(guest.received for guest in guests))
    assert len(commit_frames(wal_of(path).read_bytes())) == before + 1
    await store.close()


async def test_a_file_in_use_is_refused(path: Path) -> None:
    async with served(path):
        assert "is in use by another server" in await refusal(path)


async def test_a_place_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    await refusal(tmp_path)  # a folder
    await refusal(tmp_path / "nowhere" / "party.state")


async def test_nobody_else_may_read_the_file(path: Path) -> None:
    async with served(path) as server:
        await server.create_session("Party", remote_host=True)
        for suffix in ("", "-wal"):
            assert Path(f"{path}{suffix}").stat().st_mode & 0o077 == 0
