"""LoudSync: real-time sessions over WebSocket.

``host`` gives a party, ``join`` goes to one, ``SessionServer`` runs many.
What happens there comes as the typed ``events``; what goes wrong, as the typed
``errors``.
"""

from typing import TYPE_CHECKING

from loudsync import errors
from loudsync._late import late_names
from loudsync._version import __version__
from loudsync.core import events
from loudsync.errors import LoudSyncError
from loudsync.protocol import (
    ConnectionState,
    ConnectionStatus,
    ErrorCode,
    LeaveReason,
    MemberInfo,
    SessionInfo,
)

if TYPE_CHECKING:
    from loudsync.client import Client, ClientSettings, join
    from loudsync.server import (
        EventStream,
        HostedSession,
        ServerSettings,
        SessionServer,
        host,
    )
else:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "loudsync.client": ("Client", "ClientSettings", "join"),
            "loudsync.server": (
                "EventStream",
                "HostedSession",
                "ServerSettings",
                "SessionServer",
                "host",
            ),
        },
    )

__all__ = [
    "Client",
    "ClientSettings",
    "ConnectionState",
    "ConnectionStatus",
    "ErrorCode",
    "EventStream",
    "HostedSession",
    "LeaveReason",
    "LoudSyncError",
    "MemberInfo",
    "ServerSettings",
    "SessionInfo",
    "SessionServer",
    "__version__",
    "errors",
    "events",
    "host",
    "join",
]
