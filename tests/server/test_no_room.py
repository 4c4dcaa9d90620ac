"""A store without room: newcomers are refused, nobody else notices."""

from collections.abc import AsyncIterator

import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.errors import NotCreated, StorageFull
from loudsync.protocol import SessionId
from loudsync.server.store import MemoryStore
from raw_http import exchange
from raw_peer import RawPeer
from stage import join


class FillingStore:
    """A store that has room when the test says so."""

    outlives_process = False
    is_sure = True

    def __init__(self) -> None:
        memory = MemoryStore()
        self.has_room = True
        self.load, self.save, self.close = memory.load, memory.save, memory.close
        self.forget = memory.forget

    def has_room_for(self, session_id: SessionId) -> bool:
        return self.has_room


@pytest.fixture
def store() -> FillingStore:
    return FillingStore()


@pytest.fixture
async def server(store: FillingStore) -> AsyncIterator[SessionServer]:
    settings = ServerSettings(max_message_rate=0)
    async with SessionServer(
        host="127.0.0.1", port=0, settings=settings, store=store
    ) as server:
        yield server


async def test_a_program_gets_a_typed_error(
    server: SessionServer, store: FillingStore
) -> None:
    store.has_room = False
    with pytest.raises(StorageFull) as caught:
        await server.create_session("Party")
    assert isinstance(caught.value, NotCreated)
    assert server.sessions() == []
    store.has_room = True
    await server.create_session("Party")


async def test_post_sessions_is_told_when_to_ask_again(
    server: SessionServer, store: FillingStore
) -> None:
    store.has_room = False
    request = (
        b"POST /sessions HTTP/1.1\r\nHost: localhost\r\n"
        b'Content-Length: 16\r\n\r\n{"name":"Party"}'
    )
    answer = await exchange(server.port, request)
    assert (answer.status, answer.error_code) == (503, "storage_full")
    assert answer.headers["retry-after"] == "5"
    ready = await exchange(
        server.port, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert ready.status == 200
    store.has_room = True
    assert (await exchange(server.port, request)).status == 201


async def test_a_join_is_refused_and_taken_on_the_same_connection_later(
    server: SessionServer, store: FillingStore
) -> None:
    await server.create_session("Party", session_id="abc123", max_members=4)
    ann, eve = [await RawPeer.connect(server.port) for _ in range(2)]
    await ann.say(join("ann"))
    assert (await ann.receive())["type"] == "welcome"
    store.has_room = False
    await eve.say(join("eve"))
    refusal = await eve.receive()
    assert (refusal["code"], refusal["details"]) == (
        "session_full",
        {"maxMembers": 4, "currentMembers": 2, "reason": "storage_full"},
    )
    await ann.hang_up(1006)
    again = await RawPeer.connect(server.port)
    await again.say(join("ann"))
    assert (await again.receive())["clientId"] == "client-1"
    store.has_room = True
    await eve.say(join("eve"))
    assert (await eve.receive())["clientId"] == "client-2"
    for peer in (ann, eve, again):
        await peer.gone()
