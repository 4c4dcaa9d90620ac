"""Who hears what is said in a session: connections, alone or by their node."""

from collections.abc import Iterator

from loudsync.core import ConnectionId
from loudsync.protocol import SessionId
from loudsync.server.access import Carrier, Link


class Audience:
    """The links that are attached to one session.

    What is said to all is sent to each connection; in a cluster, once to each node.
    """

    __slots__ = ("_alone", "_carriers", "_links")

    def __init__(self) -> None:
        self._links: dict[ConnectionId, Link] = {}
        self._alone: dict[ConnectionId, Link] = {}
        self._carriers: dict[Carrier, int] = {}

    def __len__(self) -> int:
        return len(self._links)

    def __contains__(self, connection: ConnectionId | None) -> bool:
        return connection in self._links

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())

    def add(self, link: Link) -> bool:
        """Let a link hear what is said; tell whether it did not before."""
        is_new = link.id not in self._links
        if not is_new:
            self.discard(link.id)
        self._links[link.id] = link
        if link.carrier is None:
            self._alone[link.id] = link
        else:
            self._carriers[link.carrier] = self._carriers.get(link.carrier, 0) + 1
        return is_new

    def discard(self, connection: ConnectionId) -> Link | None:
        """Let a link hear no more; return it if it did."""
        link = self._links.pop(connection, None)
        if link is None:
            return None
        if link.carrier is None:
            del self._alone[connection]
        elif self._carriers[link.carrier] > 1:
            self._carriers[link.carrier] -= 1
        else:
            del self._carriers[link.carrier]
        return link

    def send(
        self, session_id: SessionId, frame: bytes, omit: ConnectionId | None
    ) -> None:
        """Send a ready frame to everybody, but for one if told so."""
        for connection, link in self._alone.items():
            if connection != omit:
                link.send(frame)
        for carrier in self._carriers:
            carrier.broadcast(session_id, frame, omit)
