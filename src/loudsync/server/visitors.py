"""Who is connected: TCP connections counted, in all and per address.

A connection that there is no room for is *refused*: it hears so with an HTTP
error and is closed. Of a crowd of refused ones only a few hear it, the others
are cut off, or telling them would use up the descriptors that are kept back.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from loudsync.server.addresses import ProxyTrust, counted_address
from loudsync.server.file_limit import FileLimit
from loudsync.server.logs import get_logger
from loudsync.server.refusals import CROWDED_ADDRESS, FULL, Refusal

log = get_logger("server")

_MOST_TOLD: Final = 32
"""Refused connections that are told so at once, half of what ``FileLimit``
keeps back."""

_LOG_INTERVAL_S: Final = 10.0
"""A full server says so once in this time, not once a connection."""


class Visit:
    """One TCP connection, from when it was accepted to its end.

    Attributes:
        peer: The address that connected.
        address: What limits count it by: the peer's, or what a trusted proxy
            says in its stead.
        refusal: Why there is no room for it; ``None`` where there is.
        transport: What carries it, once there is something to drop.
    """

    __slots__ = ("_visitors", "address", "is_counted", "peer", "refusal", "transport")

    def __init__(self, visitors: "Visitors", peer: str) -> None:
        self._visitors = visitors
        self.peer = peer
        self.address = counted_address(peer)
        self.is_counted = False
        self.refusal: Refusal | None = None
        self.transport: asyncio.Transport | None = None

    @property
    def may_hear_why(self) -> bool:
        """Whether a refused connection is one of the few that are told."""
        return self._visitors.refused_count <= _MOST_TOLD

    def came_through(self, forwarded_for: str) -> Refusal | None:
        """Learn whom a trusted proxy speaks for; return why there is no room.

        Args:
            forwarded_for: The request's ``X-Forwarded-For`` header.
        """
        if forwarded_for:
            self._visitors.forwarded(self, forwarded_for)
        return self.refusal

    def end(self) -> None:
        """Count it out; a second call does nothing."""
        self._visitors.leave(self)


class Visitors:
    """Counts connections in and out.

    Args:
        max_connections: At once; 0: as many as the file limit allows.
        max_per_address: At once from one address; 0: no limit.
        proxies: Whom to believe about addresses; they have no limit themselves.

    Attributes:
        emptied: Set while nobody is here.
        refused_count: Connections that are on their way out again.
    """

    def __init__(
        self, max_connections: int, max_per_address: int, proxies: ProxyTrust
    ) -> None:
        self.emptied = asyncio.Event()
        self.emptied.set()
        self.refused_count = 0
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._proxies = proxies
        self._files = FileLimit()
        self._visits: set[Visit] = set()
        self._per_address: dict[str, int] = {}
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._said_full_s = self._said_crowded_s = float("-inf")

    def __len__(self) -> int:
        """TCP connections that are open, refused ones included."""
        return len(self._visits)

    def enter(self, peer: str, descriptor: Callable[[], int]) -> Visit:
        """Count a connection in; its ``refusal`` tells whether there is room.

        Args:
            peer: The address that connected.
            descriptor: Tells the socket's file descriptor.
        """
        visit = Visit(self, peer)
        self._visits.add(visit)
        self.emptied.clear()
        inside = len(self._visits) - self.refused_count
        limit = self._max_connections
        if (limit and inside > limit) or not self._files.leaves_room(
            descriptor, inside
        ):
            self._refuse(visit, FULL)
            self._say_full(inside - 1)
        elif peer not in self._proxies:
            self._count(visit)
        return visit

    def forwarded(self, visit: Visit, forwarded_for: str) -> None:
        """Count a connection that came through a trusted proxy."""
        if visit.refusal is None and visit.peer in self._proxies:
            origin = self._proxies.origin(visit.peer, forwarded_for)
            visit.address = counted_address(origin)
            self._count(visit)

    def leave(self, visit: Visit) -> None:
        """Count a connection out."""
        if visit not in self._visits:
            return
        self._visits.remove(visit)
        if visit.refusal is not None:
            self.refused_count -= 1
        if visit.is_counted:
            left = self._per_address[visit.address] - 1
            if left:
                self._per_address[visit.address] = left
            else:
                del self._per_address[visit.address]
        if not self._visits:
            self.emptied.set()

    def abort_all(self) -> None:
        """Drop every connection that is still open."""
        for visit in list(self._visits):
            if visit.transport is not None:
                visit.transport.abort()

    def _count(self, visit: Visit) -> None:
        if not self._max_per_address:
            return
        here = self._per_address.get(visit.address, 0)
        if here >= self._max_per_address:
            self._refuse(visit, CROWDED_ADDRESS)
            if self._may_log(self._said_crowded_s):
                self._said_crowded_s = self._clock()
                log.warning("address_full", address=visit.address, connections=here)
        else:
            self._per_address[visit.address] = here + 1
            visit.is_counted = True

    def _refuse(self, visit: Visit, refusal: Refusal) -> None:
        visit.refusal = refusal
        self.refused_count += 1

    def _say_full(self, inside: int) -> None:
        if self._may_log(self._said_full_s):
            self._said_full_s = self._clock()
            log.warning(
                "connections_full", connections=inside, file_limit=self._files.limit
            )

    def _may_log(self, said_s: float) -> bool:
        return self._clock() - said_s > _LOG_INTERVAL_S
