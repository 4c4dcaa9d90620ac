"""The one check at the end of every fault: all see what the server has."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple, Protocol

from loudsync import ConnectionStatus, HostedSession, MemberInfo
from loudsync.protocol import MemberId
from raw_peer import until
from seated_peer import SeatedPeer


class Onlooker(Protocol):
    """Who has a view: ``loudsync.Client``, or a ``SeatedPeer``."""

    @property
    def members(self) -> Mapping[MemberId, MemberInfo]: ...


class Seen(NamedTuple):
    """What of a member everybody must see alike; latencies come later."""

    id: MemberId
    name: str
    is_host: bool
    status: ConnectionStatus
    joined_at_ms: int


def seen(members: Iterable[MemberInfo]) -> list[Seen]:
    """Return these members in their order, as everybody must see them."""
    return [
        Seen(it.id, it.name, it.is_host, it.connection_status, it.joined_at_ms)
        for it in members
    ]


async def check_same_views(
    port: int, session: HostedSession | str, onlookers: Collection[Onlooker]
) -> None:
    """Check that every onlooker's view is the server's, in order.

    The barrier is a witness, who joins last: who sees it has read all that was
    said before, and no list is asked for that could repair a view. What the
    server tells a little later, statuses, is waited for.

    Args:
        port: Where the server is, for the witness; a seat must be free for it.
        session: The session, or its id where the server is another process:
            then the server's view is what the witness is told.
    """
    session_id = session if isinstance(session, str) else session.id
    witness = await SeatedPeer.join(port, session_id, f"witness of {port}", "Witness")
    try:
        await until(lambda: all(witness.id in it.members for it in onlookers))
        if isinstance(session, HostedSession):
            server = session
            await _until_alike(lambda: seen(server.members), [witness, *onlookers])
        else:
            await witness.ask_for_list()
            await _until_alike(lambda: seen(witness.members.values()), onlookers)
    finally:
        await witness.leave()


async def _until_alike(
    truth: Callable[[], list[Seen]], onlookers: Collection[Onlooker]
) -> None:
    def different() -> list[list[Seen]]:
        right = truth()
        views = [seen(it.members.values()) for it in onlookers]
        return [view for view in views if view != right]

    try:
        await until(lambda: not different())
    except TimeoutError:
        wrong = different()
        message = f"{len(wrong)} of {len(onlookers)} views differ from the server's"
        assert wrong[:1] == [truth()], message
        raise
