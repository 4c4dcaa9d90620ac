"""The server: sockets, timers and files around the rules.

From the outside in: ``session_server`` is the whole; ``front_door`` takes
connections in; ``websocket`` turns frames into messages; ``connection`` knows
what a member may say; ``runner`` takes it to the rules and does what they
want; ``liveness`` looks for the silent; ``advertising`` tells the network; ``http_api``, which ``late_http`` loads
when it is asked for, serves everything else.
"""

from typing import TYPE_CHECKING

from loudsync._late import late_names

if TYPE_CHECKING:
    from loudsync.server.hosting import EventStream, HostedSession
    from loudsync.server.party import host
    from loudsync.server.session_server import SessionServer
    from loudsync.server.settings import (
        DEFAULT_MAX_MEMBERS,
        DEFAULT_PORT,
        MAX_MEMBERS,
        ServerSettings,
    )
    from loudsync.server.sqlite_store import SqliteStore
    from loudsync.server.store import MemoryStore, SessionStore
else:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "loudsync.server.hosting": ("EventStream", "HostedSession"),
            "loudsync.server.party": ("host",),
            "loudsync.server.session_server": ("SessionServer",),
            "loudsync.server.settings": (
                "DEFAULT_MAX_MEMBERS",
                "DEFAULT_PORT",
                "MAX_MEMBERS",
                "ServerSettings",
            ),
            "loudsync.server.sqlite_store": ("SqliteStore",),
            "loudsync.server.store": ("MemoryStore", "SessionStore"),
        },
    )

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
