"""The server: sockets, timers and files around the rules.

From the outside in: ``session_server`` is the whole; ``front_door`` takes
connections in; ``websocket`` turns frames into messages; ``connection`` knows
what a member may say; ``runner`` takes it to the rules and does what they
want; ``liveness`` looks for the silent; ``http_api`` serves everything else.
"""

from loudsync.server.host import host
from loudsync.server.hosting import EventStream, HostedSession
from loudsync.server.session_server import DEFAULT_PORT, SessionServer
from loudsync.server.settings import (
    DEFAULT_MAX_MEMBERS,
    MAX_MEMBERS,
    ServerSettings,
)
from loudsync.server.sqlite_store import SqliteStore
from loudsync.server.store import MemoryStore, SessionStore

__all__ = [
    "DEFAULT_MAX_MEMBERS",
    "DEFAULT_PORT",
    "MAX_MEMBERS",
    "EventStream",
    "HostedSession",
    "MemoryStore",
    "ServerSettings",
    "SessionServer",
    "SessionStore",
    "SqliteStore",
    "host",
]
