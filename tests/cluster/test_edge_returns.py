"""A node that others took for gone, and its members, who have never noticed.

Nobody else comes here: what brings the members back is the node's own doing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from cluster_nodes import Node, Nodes, heard
from loudsync.protocol import ConnectionStatus
from loudsync.testing import FaultProxy
from loudsync.testing.fault_proxy import Way
from nats_servers import NatsServers
from raw_peer import until
from seated_peer import SeatedPeer

pytestmark = pytest.mark.asyncio(loop_scope="module")

Break = Callable[[Node, FaultProxy], object]

FAULTS: dict[str, tuple[Break, Break]] = {
    "cut off": (lambda _, proxy: proxy.drop(), lambda _, proxy: proxy.heal()),
    "not heard": (
        lambda _, proxy: proxy.drop(Way.TO_SERVER),
        lambda _, proxy: proxy.heal(),
    ),
    "heard late": (
        lambda _, proxy: proxy.stall(Way.TO_SERVER),
        lambda _, proxy: proxy.heal(),
    ),
    "frozen": (lambda node, _: node.freeze(), lambda node, _: node.thaw()),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Nodes, FaultProxy]]:
    """Three nodes for all faults, and what is between the last of them and NATS."""
    async with AsyncExitStack() as stack:
        nats = NatsServers(tmp_path_factory.mktemp("nats"))
        await asyncio.to_thread(nats.__enter__)
        stack.push(nats)
        proxy = await stack.enter_async_context(FaultProxy(nats.servers[0].port))
        nodes = Nodes([nats.urls, nats.urls, f"nats://127.0.0.1:{proxy.port}"])
        await asyncio.to_thread(nodes.__enter__)
        stack.push(nodes)
        yield nodes, proxy


@pytest.mark.parametrize("fault", FAULTS)
async def test_members_of_a_node_that_was_gone_are_back(
    fault: str, scene: tuple[Nodes, FaultProxy]
) -> None:
    break_it, heal = FAULTS[fault]
    nodes, proxy = scene
    owner, other, edge = nodes
    party = await owner.create()
    bob = await owner.seat(party, "device-1", "Bob")
    eve = await other.seat(party, "device-2", "Eve")
    ann = await edge.seat(party, "device-3", "Ann")
    onlookers = [bob, eve]

    break_it(edge, proxy)
    try:
        away = ConnectionStatus.RECONNECTING
        await _see(onlookers, ann, away)
    finally:
        heal(edge, proxy)
    await _see(onlookers, ann, ConnectionStatus.CONNECTED)

    # She goes on as if nothing had been, and hears of all.
    await ann.beat()
    cid = await other.seat(party, "device-4", "Cid")
    await heard(ann, "member_joined")
    assert [it["member"]["id"] for it in ann.heard if "member" in it] == [cid.id]
    for onlooker in onlookers:
        assert "member_left" not in onlooker.kinds
    for node in nodes:
        await node.let_go()


async def _see(
    onlookers: list[SeatedPeer], member: SeatedPeer, status: ConnectionStatus
) -> None:
    await until(
        lambda: all(
            it.members[member.id].connection_status is status for it in onlookers
        )
    )
