"""Who hears what is said in a session: connections here, and on other nodes."""

from collections.abc import Iterator

from loudsync.core import ConnectionId
from loudsync.protocol import SessionId
from loudsync.server.access import Carrier, Link


class Audience:
    """The links that are attached to one session.

    What is said to all is sent to each socket here, and once to each other node.
    """

    __slots__ = ("_elsewhere", "_here", "_links")

    def __init__(self) -> None:
        self._links: dict[ConnectionId, Link] = {}
        self._here: dict[ConnectionId, Link] = {}
        self._elsewhere: dict[Carrier, int] = {}

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
            self._here[link.id] = link
        else:
            self._elsewhere[link.carrier] = self._elsewhere.get(link.carrier, 0) + 1
        return is_new

    def discard(self, connection: ConnectionId) -> Link | None:
        """Let a link hear no more; return it if it did."""
        link = self._links.pop(connection, None)
        if link is None:
            return None
        if link.carrier is None:
            del self._here[connection]
        elif self._elsewhere[link.carrier] > 1:
            self._elsewhere[link.carrier] -= 1
        else:
            del self._elsewhere[link.carrier]
        return link

    def send(
        self, session_id: SessionId, frame: bytes, omit: ConnectionId | None
    ) -> None:
        """Send a ready frame to everybody, but for one if told so."""
        for connection, link in self._here.items():
            if connection != omit:
                link.send(frame)
        for carrier in self._elsewhere:
            carrier.broadcast(session_id, frame, omit)
