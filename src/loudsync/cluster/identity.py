"""Who a node is, and how a connection's number tells where it hangs."""

import secrets
from typing import Final, NewType

from loudsync.cluster.settings import clean_node_name
from loudsync.core import ConnectionId

NodeNumber = NewType("NodeNumber", int)
"""31 random bits: what makes a process's node unlike every other there ever was."""

NOBODY: Final = ""
"""The owner of a session that waits for a node to claim it."""

_CONNECTION_BITS: Final = 32


class Identity:
    """One node process.

    Attributes:
        number: Drawn at its start.
        id: Its name and its number, as people and keys see it.
    """

    def __init__(self, name: str) -> None:
        self.number = NodeNumber(secrets.randbits(31))
        self.name = clean_node_name(name)
        self.id = f"{self.name}-{self.number:08x}"
        self._last_connection = 0

    def next_connection(self) -> ConnectionId:
        """Return a number that no other connection to any node has had."""
        self._last_connection += 1
        return ConnectionId(self.number << _CONNECTION_BITS | self._last_connection)


def number_of(node_id: str) -> NodeNumber:
    """Return the number in a node's id.

    Raises:
        ValueError: It is no node's id.
    """
    return NodeNumber(int(node_id[-8:], 16))


def node_of(connection: ConnectionId) -> NodeNumber:
    """Return the node that a connection hangs on."""
    return NodeNumber(connection >> _CONNECTION_BITS)
