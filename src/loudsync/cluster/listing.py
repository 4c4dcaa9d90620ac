"""Which nodes there are, as an operator asks from outside."""

import asyncio

import msgspec

from loudsync.cluster.buckets import NODES, Bucket
from loudsync.cluster.bus import Bus, NoResponder, Unreachable
from loudsync.cluster.identity import number_of
from loudsync.cluster.settings import ClusterSettings
from loudsync.cluster.wire import HOW_ARE_YOU, decode_status, ping_subject
from loudsync.errors import StartFailed

_PING_TIMEOUT_S = 1.0


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """A node that has a lease.

    Attributes:
        is_reachable: Whether it answers; what follows is its last word where not.
        sessions: How many it owns.
        members: How many have their connection there.
        lease_age_s: Since its lease was renewed; ``None`` where it doesn't say.
    """

    id: str
    name: str
    url: str
    version: str
    is_reachable: bool
    is_draining: bool
    sessions: int
    members: int
    lease_age_s: float | None


async def list_nodes(settings: ClusterSettings) -> list[NodeReport]:
    """Return every node with a lease, in order of their names.

    Raises:
        StartFailed: NATS can't be reached; the text says what to do.
    """
    bus = Bus(settings, "loudsync nodes")
    await bus.connect()
    try:
        leases = Bucket(NODES, bus, replicas=settings.replicas)
        asked = [
            _report(bus, entry.key, entry.value)
            async for entry in leases.scan()
            if entry.value
        ]
        reports = await asyncio.gather(*asked)
    except Unreachable as fault:
        raise StartFailed(f"NATS can't tell which nodes there are: {fault}") from None
    finally:
        await bus.close()
    return sorted(reports, key=lambda report: report.id)


async def _report(bus: Bus, node_id: str, lease: bytes) -> NodeReport:
    try:
        answer = await bus.request(
            ping_subject(number_of(node_id)), HOW_ARE_YOU, _PING_TIMEOUT_S
        )
    except (NoResponder, Unreachable):
        answer = None
    status = decode_status(lease if answer is None else answer)
    return NodeReport(
        id=status.id,
        name=status.name,
        url=status.url,
        version=status.version,
        is_reachable=answer is not None,
        is_draining=status.is_draining,
        sessions=status.sessions,
        members=status.members,
        lease_age_s=None if answer is None else status.lease_age_s,
    )
