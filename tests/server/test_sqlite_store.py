"""Sessions in a file: killed, restarted, refused (contract, section 8)."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.errors import StartFailed
from loudsync.server import SqliteStore
from raw_peer import RawPeer
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
