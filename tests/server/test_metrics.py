"""The numbers an operator sees, after a story whose numbers are known."""

from collections.abc import Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from loudsync import SessionServer
from loudsync.errors import TooManySessions
from loudsync.server.settings import ServerSettings
from raw_peer import RawPeer, until
from stage import join

Numbers = Mapping[tuple[str, str], float]


async def numbers(server: SessionServer) -> Numbers:
    """Read the metrics by name and label value; the reader's connection is not in it."""
    url = f"http://127.0.0.1:{server.port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await answer.text()
    await until(lambda: server.connection_count < _connections(text))
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _connections(text: str) -> float:
    (line,) = [
        line for line in text.splitlines() if line.startswith("loudsync_connections ")
    ]
    return float(line.split()[1])


async def seated(server: SessionServer, device: str) -> tuple[RawPeer, str]:
    peer = await RawPeer.connect(server.port)
    await peer.say(join(device))
    welcome = await peer.receive()
    assert (await peer.receive())["type"] == "member_list"
    return peer, welcome["clientId"]


async def test_every_metric_is_named_and_told_what_it_is(server: SessionServer) -> None:
    url = f"http://127.0.0.1:{server.port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    assert {(family.name, family.type) for family in families} == {
        ("loudsync_connections", "gauge"),
        ("loudsync_members", "gauge"),
        ("loudsync_sessions", "gauge"),
        ("loudsync_state_has_room", "gauge"),
        ("loudsync_joins", "counter"),
        ("loudsync_takeovers", "counter"),
        ("loudsync_messages_received", "counter"),
        ("loudsync_messages_sent", "counter"),
        ("loudsync_floods", "counter"),
        ("loudsync_overflows", "counter"),
        ("loudsync_sessions_opened", "counter"),
        ("loudsync_sessions_closed", "counter"),
        ("loudsync_refusals", "counter"),
        ("loudsync_leaves", "counter"),
    }
    assert all(family.documentation for family in families)


async def test_a_fresh_server_has_nothing_to_tell(server: SessionServer) -> None:
    now = dict(await numbers(server))
    assert now["loudsync_connections", ""] == 1, "the reader's own"
    assert now.pop(("loudsync_state_has_room", "")) == 1
    assert {value for (name, _), value in now.items() if "connections" not in name} == {
        0.0
    }


async def test_the_numbers_of_a_small_party(server: SessionServer) -> None:
    session = await server.create_session("P", session_id="abc123", max_members=4)
    other = await server.create_session("Q")
    await other.close()
    ann, _ = await seated(server, "device-1")
    bob, _ = await seated(server, "device-2")
    eve, eves_id = await seated(server, "device-3")

    late = await RawPeer.connect(server.port)
    for message, code in (
        (join("device-4"), "session_full"),
        (join("device-4", session_id="zzz"), "session_not_found"),
        ({"type": "heartbeat"}, "unauthorized"),
        ({"type": "dance"}, "invalid_message"),
        ({"type": "dance"}, "invalid_message"),
    ):
        await late.say(message)
        assert (await late.receive())["code"] == code

    now = await numbers(server)
    assert now["loudsync_connections", ""] == 5
    assert now["loudsync_members", ""] == 3
    assert now["loudsync_sessions", ""] == 1
    assert now["loudsync_sessions_opened_total", ""] == 2
    assert now["loudsync_sessions_closed_total", ""] == 1
    assert now["loudsync_joins_total", ""] == 3
    assert now["loudsync_messages_received_total", ""] == 3 + 5
    # Each joiner's WELCOME and list, 1 + 2 times MEMBER_JOINED, five errors.
    assert now["loudsync_messages_sent_total", ""] == 3 * 2 + (1 + 2) + 5
    assert {
        label: value for (name, label), value in now.items() if "refusals" in name
    } == {
        "session_full": 1,
        "session_not_found": 1,
        "unauthorized": 1,
        "invalid_message": 2,
    }

    await ann.say({"type": "leave"})
    await ann.closed()
    await bob.break_protocol()
    await bob.closed()
    await session.kick(eves_id)
    await eve.closed()
    await late.gone()
    await until(lambda: server.connection_count == 0)
    now = await numbers(server)
    assert now["loudsync_members", ""] == 0
    assert {
        label: value for (name, label), value in now.items() if "leaves" in name
    } == {"left": 1, "kicked": 1, "error": 1, "timeout": 0}


async def test_a_seat_that_waits_is_no_connected_member(server: SessionServer) -> None:
    await server.create_session("P", session_id="abc123")
    ann, ann_id = await seated(server, "device-1")
    await ann.hang_up(1006)
    await until(lambda: server.stats.members == 0)
    again, again_id = await seated(server, "device-1")
    assert again_id == ann_id
    now = await numbers(server)
    assert now["loudsync_members", ""] == 1
    assert now["loudsync_joins_total", ""] == 2
    assert now["loudsync_leaves_total", "left"] == 0
    await again.gone()


async def test_floods_are_counted() -> None:
    settings = ServerSettings(max_message_rate=0.001, max_message_burst=2)
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        peer = await RawPeer.connect(server.port)
        for _ in range(3):
            await peer.say({"type": "ping"})
        assert await peer.closed() == 1008
        now = await numbers(server)
        assert now["loudsync_floods_total", ""] == 1
        assert now["loudsync_messages_received_total", ""] == 3


async def test_a_session_that_was_not_created_is_not_counted() -> None:
    settings = ServerSettings(max_sessions=1)
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        await server.create_session("P")
        try:
            await server.create_session("Q")
        except TooManySessions:
            now = await numbers(server)
        assert now["loudsync_sessions_opened_total", ""] == 1
