"""Saved, then said: what a change announces waits until the store has it."""

import asyncio
from typing import Any

import pytest

from loudsync.core import Session, SessionRecord, SessionSpec
from loudsync.protocol import SessionId
from loudsync.server.runner import SAVE_RETRY_S
from loudsync.testing import MemoryServer, MemorySocket


class SlowStore:
    """A store whose saves end when the test says so."""

    outlives_process = False
    has_room = True
    is_sure = True

    def __init__(self) -> None:
        self.saving: list[asyncio.Future[None]] = []
        self.is_slow = False

    def save(self, session: Session) -> asyncio.Future[None] | None:
        if not self.is_slow:
            return None
        future = asyncio.get_running_loop().create_future()
        self.saving.append(future)
        return future

    def load(self) -> list[SessionRecord]:
        return []

    def has_room_for(self, session_id: SessionId) -> bool:
        return True

    def forget(self, session_id: SessionId) -> None:
        pass

    async def close(self) -> None:
        pass

    async def done(self, error: Exception | None = None) -> None:
        """End the save that is under way."""
        (future,) = (f for f in self.saving if not f.done())
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
        await asyncio.sleep(0)


def join(socket: MemorySocket, device: str) -> None:
    info = {"id": device, "name": device, "type": "client"}
    socket.say({"type": "join", "sessionId": "abc123", "deviceInfo": info})


def types(socket: MemorySocket) -> list[Any]:
    read, socket.received = socket.received, []
    return [message["type"] for message in read]


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


@pytest.fixture
async def server(store: SlowStore) -> MemoryServer:
    server = MemoryServer(store=store)
    server.create(
        SessionSpec(id=SessionId("abc123"), name="P", host_name="H", max_members=9)
    )
    store.is_slow = True
    return server


async def test_a_join_is_answered_only_once_it_is_saved(
    server: MemoryServer, store: SlowStore
) -> None:
    ann = server.connect()
    join(ann, "ann")
    assert types(ann) == []
    await store.done()
    assert types(ann) == ["welcome", "member_list"]


async def test_changes_during_a_save_share_the_next_one_in_order(
    server: MemoryServer, store: SlowStore
) -> None:
    guests = [server.connect() for _ in range(4)]
    for number, guest in enumerate(guests):
        join(guest, f"device-{number}")
    assert len(store.saving) == 1
    await store.done()
    assert types(guests[0]) == ["welcome", "member_list"]
    assert types(guests[1]) == []
    assert len(store.saving) == 2, "the other three share one"
    await store.done()
    assert types(guests[0]) == ["member_joined"] * 3
    assert types(guests[3]) == ["welcome", "member_list"]


async def test_a_failed_save_says_nothing_and_is_tried_again(
    server: MemoryServer, store: SlowStore, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = server.connect(), server.connect()
    join(ann, "ann")
    await store.done(OSError("disk full"))
    join(bob, "bob")
    assert types(ann) == types(bob) == []
    assert "save_failed" in caplog.text
    server.clock.advance(SAVE_RETRY_S)
    await store.done()
    assert types(ann) == ["welcome", "member_list", "member_joined"]
    assert types(bob) == ["welcome", "member_list"]


async def test_a_guest_that_goes_while_its_join_is_saved_leaves_no_ghost(
    server: MemoryServer, store: SlowStore
) -> None:
    ann = server.connect()
    join(ann, "ann")
    await store.done()
    bob = server.connect()
    join(bob, "bob")
    bob.hang_up(1006)
    await store.done()
    await store.done()
    server.clock.advance(1)
    assert types(ann)[-1] == "member_list"
    assert server.stats.members == 1
    store.is_slow = False
    for _ in range(4):
        ann.say({"type": "heartbeat"})
        server.clock.advance(5)
    assert types(ann)[-1] == "member_left"


async def test_pings_and_heartbeats_wait_for_no_save(
    server: MemoryServer, store: SlowStore
) -> None:
    ann, bob = server.connect(), server.connect()
    join(ann, "ann")
    await store.done()
    types(ann)
    join(bob, "bob")
    ann.say({"type": "ping"})
    ann.say({"type": "heartbeat"})
    assert types(ann) == ["pong"]
    assert len([future for future in store.saving if not future.done()]) == 1


async def test_a_flood_counts_once_however_long_its_end_is_saved(
    server: MemoryServer, store: SlowStore
) -> None:
    ann = server.connect()
    join(ann, "ann")
    await store.done()
    for _ in range(3 * server.around.settings.max_message_burst):
        ann.say({"type": "ping"})
    assert ann.is_open, "the end is not saved yet"
    assert server.stats.floods == 1
    await store.done()
    assert types(ann)[-1] == "kicked"
    assert not ann.is_open


async def test_kick_and_close_return_once_they_are_saved(
    server: MemoryServer, store: SlowStore
) -> None:
    closing = asyncio.ensure_future(server.runner.close(SessionId("abc123"), "Bye"))
    await asyncio.sleep(0)
    assert not closing.done()
    await store.done(OSError("disk full"))
    assert not closing.done(), "not saved is not done"
    server.clock.advance(SAVE_RETRY_S)
    await store.done()
    await asyncio.wait_for(closing, 20)
    assert SessionId("abc123") not in server.runner.registry
