"""Nodes in this process, and a NATS that is away, full or has forgotten all."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster_in_process import a_node, get, open_session, until_ready, until_unready
from loudsync import SessionServer
from loudsync.cluster import ClusterNode, ClusterSettings, list_nodes
from loudsync.errors import (
    InvalidSetting,
    SessionExists,
    StartFailed,
    Unavailable,
)
from loudsync.protocol import CloseCode
from loudsync.server import MemoryStore
from nats_servers import NatsServer, nats_servers
from raw_peer import ABNORMAL, RawPeer, until
from seated_peer import SeatedPeer
from stage import join

LONG = "device-{:0100}"


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_servers(tmp_path) as servers:
        yield servers.servers[0]


# --- Starting ---------------------------------------------------------------------


async def test_without_nats_it_says_what_to_do_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    settings = ClusterSettings(
        servers=("nats://guest:secret@127.0.0.1:1",), connect_timeout_s=0.5
    )
    server = SessionServer(host="127.0.0.1", port=0, cluster=ClusterNode(settings))
    with pytest.raises(StartFailed, match="check --nats") as caught:
        await server.start()
    assert "secret" not in str(caught.value)


async def test_without_jetstream_it_says_what_to_do(tmp_path: Path) -> None:
    with nats_servers(tmp_path) as servers:
        plain = servers.servers[0]
        plain.kill()
        plain._command = plain._command[: plain._command.index("-js")]
        plain.launch()
        settings = ClusterSettings(servers=(plain.url,), connect_timeout_s=1.5)
        server = SessionServer(host="127.0.0.1", port=0, cluster=ClusterNode(settings))
        with pytest.raises(StartFailed, match="nats-server -js"):
            await server.start()


def test_a_cluster_brings_its_store() -> None:
    with pytest.raises(InvalidSetting):
        SessionServer(cluster=ClusterNode(), store=MemoryStore())


# --- Embedded -----------------------------------------------------------------------


async def test_a_host_in_the_program_ends_its_session_when_it_leaves(
    nats: NatsServer,
) -> None:
    async with a_node(nats, "n1") as other:
        async with a_node(nats, "n0") as server:
            session = await server.create_session("Party")
            guest = await SeatedPeer.join(other.port, session.id, "ann")
            assert [m.name for m in session.members] == ["Host", "Ann"]
        assert await guest.raw.closed() == 1000
        assert guest.kinds[-1] == "session_closed"
        assert (await get(other, f"/sessions/{session.id}"))[0] == 404


async def test_an_id_that_another_node_has_is_taken(nats: NatsServer) -> None:
    async with a_node(nats, "n0") as one, a_node(nats, "n1") as other:
        await open_session(one, session_id="friday")
        with pytest.raises(SessionExists):
            await open_session(other, session_id="friday")
        assert other.sessions() == []


async def test_an_id_is_free_again_once_its_session_is_over(nats: NatsServer) -> None:
    async with a_node(nats, "n0") as one, a_node(nats, "n1") as other:
        session = await one.create_session("Party", session_id="friday")
        guest = await SeatedPeer.join(other.port, "friday", "ann")
        await session.close("Over")
        assert await guest.raw.closed() == 1000
        again = await other.create_session("Party", session_id="friday")
        guest = await SeatedPeer.join(one.port, "friday", "ann")
        assert guest.id == "client-1"
        assert len(again.members) == 2


async def test_sessions_wait_in_nats_while_no_node_runs(nats: NatsServer) -> None:
    async with a_node(nats) as server:
        session_id, _ = await open_session(server)
        ann = await SeatedPeer.join(server.port, session_id, "ann")
    assert await ann.raw.closed() == 1012
    async with a_node(nats) as server:
        back = await SeatedPeer.join(server.port, session_id, "ann")
        assert back.id == ann.id
        bob = await SeatedPeer.join(server.port, session_id, "bob")
        assert bob.id == "client-2"


async def test_an_operator_sees_the_nodes(nats: NatsServer) -> None:
    async with a_node(nats, "n0") as one, a_node(nats, "n1") as other:
        session_id, _ = await open_session(one)
        await SeatedPeer.join(other.port, session_id, "ann")
        reports = await list_nodes(ClusterSettings(servers=(nats.url,)))
        assert [
            (r.name, r.is_reachable, r.sessions, r.members, r.url) for r in reports
        ] == [("n0", True, 1, 0, one.url), ("n1", True, 0, 1, other.url)]
    assert await list_nodes(ClusterSettings(servers=(nats.url,))) == []


# --- NATS away ------------------------------------------------------------------------


async def test_while_nats_is_away_sockets_stay_and_joins_are_held_then_refused(
    nats: NatsServer,
) -> None:
    async with a_node(nats) as server:
        session_id, _ = await open_session(server)
        ann = await SeatedPeer.join(server.port, session_id, "ann")
        await asyncio.to_thread(nats.kill)
        await until_unready(server)
        assert (await get(server, "/healthz"))[0] == 200
        await ann.settle()
        bob = await RawPeer.connect(server.port)
        await bob.say(join("bob", "Bob", session_id))
        assert await bob.closed() == CloseCode.TRY_AGAIN_LATER
        with pytest.raises(Unavailable):
            await open_session(server, session_id="friday")
        status, body = await get(server, "/sessions/another")
        assert (status, body["error"]["code"]) == (503, "unavailable")

        await asyncio.to_thread(nats.start)
        await until_ready(server)
        await SeatedPeer.join(server.port, session_id, "bob", "Bob")
        await ann.ask_for_list()
        assert [m.name for m in ann.members.values()] == ["Host", "Ann", "Bob"]
        await open_session(server, session_id="friday")


async def test_who_leaves_while_nats_is_away_has_left_when_it_is_back(
    nats: NatsServer,
) -> None:
    async with a_node(nats, "n0") as one, a_node(nats, "n1") as other:
        session_id, _ = await open_session(one)
        ann = await SeatedPeer.join(one.port, session_id, "ann")
        bob = await SeatedPeer.join(other.port, session_id, "bob")
        cleo = await SeatedPeer.join(other.port, session_id, "cleo")
        await asyncio.to_thread(nats.kill)
        await until_unready(other)
        await bob.raw.say({"type": "leave"})
        await cleo.raw.hang_up(1000)
        await asyncio.to_thread(nats.start)
        assert await bob.raw.closed() == 1000
        await until(lambda: len(ann.members) == 2)
        assert [m.name for m in ann.members.values()] == ["Host", "Ann"]


async def test_what_nats_has_lost_with_its_disk_its_owners_write_again(
    nats: NatsServer, tmp_path: Path
) -> None:
    async with a_node(nats, "n0") as one, a_node(nats, "n1") as other:
        session_id, _ = await open_session(one)
        ann = await SeatedPeer.join(other.port, session_id, "ann")
        await asyncio.to_thread(nats.kill)
        await until_unready(one)
        shutil.rmtree(tmp_path / nats.name)
        await asyncio.to_thread(nats.start)
        await until_ready(one)
        await until_ready(other)
        assert (await get(other, f"/sessions/{session_id}"))[0] == 200
        bob = await SeatedPeer.join(one.port, session_id, "bob")
        assert bob.id == "client-2"
        # A list that was on its way before is no answer: wait until all is said.
        await until(lambda: len(ann.members) == 3)
        assert [m.id for m in ann.members.values()][1:] == [ann.id, bob.id]


# --- A NATS that takes little -----------------------------------------------------------


async def test_a_session_too_large_for_nats_takes_no_more_seats(
    tmp_path: Path,
) -> None:
    with nats_servers(tmp_path) as servers:
        nats = servers.servers[0]
        nats.kill()
        config = tmp_path / "small.conf"
        config.write_text("max_payload: 4KB\n")
        nats._command += ["-c", str(config)]
        nats.start()
        async with a_node(nats) as server:
            session_id, _ = await open_session(server, max_members=1_000)
            first = await SeatedPeer.join(server.port, session_id, LONG.format(0))
            answer: dict[str, Any] = {"type": "welcome"}
            number = 0
            while answer["type"] == "welcome":
                number += 1
                peer = await RawPeer.connect(server.port)
                await peer.say(join(LONG.format(number), "Ann", session_id))
                answer = await peer.receive()
            assert answer["details"]["reason"] == "storage_full"
            assert 5 < number < 40
            await first.raw.hang_up(ABNORMAL)
            back = await SeatedPeer.join(server.port, session_id, LONG.format(0))
            assert back.id == first.id
