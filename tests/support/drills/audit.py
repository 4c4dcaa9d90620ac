"""The end of a drill: everybody is in, sees the same, and nothing was lost."""

import asyncio
from collections.abc import Mapping, Sequence

from cluster_nodes import Node
from drills.crowd import Crowd
from drills.device import Device
from drills.ledger import Ledger
from loudsync.protocol import ConnectionStatus, MemberInfo
from same_views import seen

_LOOK_S = 0.1
_PATIENCE_S = 20.0


async def check(crowd: Crowd, nodes: Sequence[Node]) -> None:
    """Check everything that must hold once a drill is over; needs a seat a node.

    The barrier are witnesses, one through each node, who join last: who sees them
    has read all that was said before, and no list is asked for that could repair a
    view. What is told a little later, statuses, is waited for.

    Raises:
        AssertionError: With every fault that was found, of this check and before.
    """
    await crowd.all_in()
    for ledger in crowd.ledgers.values():
        await _check_session(crowd, ledger, nodes)
    faults = crowd.faults()
    assert not faults, "\n".join([f"{len(faults)} faults", *faults])


async def _check_session(crowd: Crowd, ledger: Ledger, nodes: Sequence[Node]) -> None:
    witnesses = {
        node.name: crowd.add(ledger, through=node, kind="witness") for node in nodes
    }
    await crowd.all_in(witnesses.values())
    onlookers = [
        it
        for it in crowd.devices
        if it.ledger is ledger and it.is_wanted and it not in witnesses.values()
    ]
    lists: Mapping[str, tuple[MemberInfo, ...]] = {}
    patience_ends_s = asyncio.get_running_loop().time() + _PATIENCE_S
    while asyncio.get_running_loop().time() < patience_ends_s:
        lists = {name: await it.list_now() for name, it in witnesses.items()}
        if _agree(lists, onlookers):
            break
        await asyncio.sleep(_LOOK_S)
    waiting = [
        it for it in next(iter(lists.values())) if not it.is_host and not _is_here(it)
    ]
    if waiting:
        ledger.fault(f"all are in, and the list says otherwise: {waiting}")
    ledger.check_end(lists, [it.hearing for it in onlookers if it.hearing is not None])
    for witness in witnesses.values():
        await witness.leave()


def _is_here(member: MemberInfo) -> bool:
    return member.connection_status is ConnectionStatus.CONNECTED


def _agree(
    lists: Mapping[str, tuple[MemberInfo, ...]], onlookers: Sequence[Device]
) -> bool:
    truth = seen(next(iter(lists.values())))
    if any(
        it.status is not ConnectionStatus.CONNECTED for it in truth if not it.is_host
    ):
        return False
    if any(seen(members) != truth for members in lists.values()):
        return False
    return all(
        it.hearing is not None and seen(it.hearing.view.members.values()) == truth
        for it in onlookers
    )
