"""What can befall a cluster: each drill by its name, with its size."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from cluster_nodes import Node
from drills.audit import check
from drills.scene import Outcome, Plan, Scene, Stage, set_stage
from loudsync.testing.fault_proxy import Way

NATS_AWAY_S: Final = 5.0
"""How long the drill keeps NATS down, with every connection open."""

CUT_OFF_S: Final = 4.0
"""Longer than a lease lasts, and shorter than a seat is kept."""

_SHORT_TIMEOUT_S: Final = 4
"""Shorter than NATS is away: who waits for a device then must wait on."""


class Drill(NamedTuple):
    """One thing that can happen, and where.

    Attributes:
        happens: Makes it happen, in the midst of joins.
        plan: The size.
    """

    happens: Callable[[Scene], Awaitable[None]]
    plan: Plan = Plan()


async def run(
    drill: Drill,
    folder: Path,
    *,
    seed: int | None = None,
    times: int = 1,
    options: tuple[str, ...] = (),
) -> Outcome:
    """Let it happen while people join, then check that nobody was lost.

    Args:
        times: How many times as many newcomers come as the drill needs.
        options: More options of the nodes.

    Raises:
        AssertionError: Something was; it tells all of it.
    """
    plan = replace(
        drill.plan,
        newcomers=drill.plan.newcomers * times,
        options=drill.plan.options + options,
    )
    async with set_stage(plan, folder) as stage:
        scene = await _play(drill, stage, plan, seed)
    return _concluded(scene)


async def run_on(stage: Stage, drill: Drill) -> Outcome:
    """Do as ``run`` does, on processes that go on afterwards."""
    return _concluded(await _play(drill, stage, drill.plan))


async def _play(
    drill: Drill, stage: Stage, plan: Plan, seed: int | None = None
) -> Scene:
    async with stage.scene(plan, seed) as it:
        coming = asyncio.create_task(it.crowd.keep_coming(plan.newcomers, plan.every_s))
        try:
            await it.newcomers_are(0.2)
            await drill.happens(it)
            await coming
        finally:
            coming.cancel()
        await check(it.crowd, it.nodes.running)
        await it.check_numbers()
    return it


def _concluded(scene: Scene) -> Outcome:
    outcome = scene.conclude()
    assert not outcome.faults, "\n".join(outcome.faults)
    return outcome


# --- Nodes ------------------------------------------------------------------


async def _owner_killed(scene: Scene) -> None:
    scene.kill(scene.nodes[0])
    await scene.served_again(scene.nodes[0])


async def _edge_killed(scene: Scene) -> None:
    scene.kill(scene.nodes[2])


async def _owner_and_edge_killed(scene: Scene) -> None:
    scene.kill(scene.nodes[0], scene.nodes[2])
    await scene.served_again(scene.nodes[0])


async def _owner_frozen(scene: Scene) -> None:
    """The owner hangs, others take over, and it wakes up without knowing."""
    zombie = scene.nodes[0]
    scene.freeze(zombie)
    try:
        await scene.served_again(zombie)
        attentive = [it for it in scene.crowd.devices if it.node is not zombie]
        await scene.crowd.all_in(attentive)
    finally:
        zombie.thaw()
    await scene.ready([zombie])


async def _all_restarted(scene: Scene) -> None:
    for node in scene.nodes:
        await scene.restart(node)


async def _claimed_by_two(scene: Scene) -> None:
    """Two nodes are asked for all sessions of a third at the moment it dies."""
    dead, *others = scene.nodes
    ledgers = [scene.crowd.ledgers[it] for it in scene.owned[dead.name]]
    scene.kill(dead)
    for ledger in ledgers:
        for node in others:
            scene.crowd.add(ledger, through=node)
    await scene.served_again(dead)
    await scene.crowd.all_in()


async def _owner_cut_off(scene: Scene) -> None:
    """The owner lives, and its way to NATS is lost; then it is there again."""
    await _cut_off_and_back(scene, scene.nodes[0])


async def _owner_not_heard(scene: Scene) -> None:
    """What the owner says to NATS is lost; what it is told arrives."""
    await _cut_off_and_back(scene, scene.nodes[0], Way.TO_SERVER)


async def _owner_late(scene: Scene) -> None:
    """What the owner writes comes when others have long taken over."""
    await _cut_off_and_back(scene, scene.nodes[0], Way.TO_SERVER, late=True)


async def _edge_cut_off(scene: Scene) -> None:
    """Its members are there and wait, longer than its lease lasts."""
    edge = scene.nodes[2]
    scene.cut_off(edge)
    await scene.not_ready([edge])
    await asyncio.sleep(CUT_OFF_S)
    scene.proxy.heal()
    await scene.ready([edge])


async def _cut_off_and_back(
    scene: Scene, node: Node, way: Way = Way.BOTH, *, late: bool = False
) -> None:
    scene.cut_off(node, way, late=late)
    # Its members don't notice; who comes new goes elsewhere after a while.
    await scene.served_again(node)
    scene.proxy.heal()
    await scene.ready([node])


# --- NATS -------------------------------------------------------------------


async def _nats_restarted(scene: Scene) -> None:
    (server,) = scene.nats.servers
    scene.kill(server)
    await asyncio.to_thread(server.start)
    await scene.ready(scene.nodes)


async def _nats_away(scene: Scene) -> None:
    """Connections stay open and are answered; nobody comes, goes or expires."""
    (server,) = scene.nats.servers
    crowd = scene.crowd
    # One has no connection for longer than a seat is kept, most of it without NATS.
    sleeper = next(it for it in crowd.devices if it.is_in)
    sleeper.go_away()
    inside = [it for it in crowd.devices if it.is_in and it is not sleeper]
    connections = {it.id: it.hearing for it in inside}
    scene.kill(server)
    gone_s = time.monotonic()
    await scene.not_ready(scene.nodes)
    while time.monotonic() < gone_s + NATS_AWAY_S:
        await crowd.answered(inside)
        await asyncio.sleep(crowd.beat_s)
    await asyncio.to_thread(server.start)
    await scene.ready(scene.nodes)
    sleeper.come_back()
    await crowd.all_in()
    scene.outcome.faults += [
        f"{it.id} lost its connection while NATS was away ({it.last_trouble})"
        for it in inside
        if it.hearing is not connections[it.id]
    ]


async def _follower_killed(scene: Scene) -> None:
    leader = await asyncio.to_thread(scene.nats.stream_leader)
    follower = next(it for it in scene.nats.servers if it is not leader)
    scene.kill(follower)
    await scene.served_again(scene.nodes[0])
    await asyncio.to_thread(follower.start)


async def _leader_killed(scene: Scene) -> None:
    leader = await asyncio.to_thread(scene.nats.stream_leader)
    scene.kill(leader)
    await scene.served_again(scene.nodes[0])
    await asyncio.to_thread(leader.start)


DRILLS: Final = {
    "owner killed": Drill(_owner_killed),
    "edge killed": Drill(_edge_killed),
    "owner and edge killed": Drill(_owner_and_edge_killed, Plan(nodes=4)),
    "owner frozen, back as a zombie": Drill(_owner_frozen, Plan(newcomers=80)),
    "all nodes restarted, one by one": Drill(_all_restarted, Plan(newcomers=100)),
    "two claim at once": Drill(_claimed_by_two, Plan(parties=40, guests=2)),
    "owner cut off from NATS": Drill(_owner_cut_off, Plan(newcomers=100, proxied=0)),
    "owner not heard by NATS": Drill(_owner_not_heard, Plan(newcomers=100, proxied=0)),
    "owner heard late by NATS": Drill(_owner_late, Plan(newcomers=100, proxied=0)),
    "edge cut off from NATS": Drill(_edge_cut_off, Plan(newcomers=100, proxied=2)),
    "NATS restarted": Drill(_nats_restarted),
    "NATS away for 5 s": Drill(
        _nats_away,
        Plan(
            newcomers=120,
            options=(
                *("--heartbeat-timeout", str(_SHORT_TIMEOUT_S)),
                *("--heartbeat-check", "0.25"),
            ),
        ),
    ),
    "one of three NATS servers killed": Drill(_follower_killed, Plan(nats=3)),
    "the leading NATS server killed": Drill(
        _leader_killed, Plan(nats=3, newcomers=150)
    ),
}
"""By the name that reports show."""
