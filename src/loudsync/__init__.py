"""LoudSync: real-time sessions over WebSocket.

``host`` gives a party, ``discover`` finds those on the network, ``join`` goes to
one, ``SessionServer`` runs many.
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
    from loudsync.discovery import (
        Discovery,
        DiscoverySettings,
        Party,
        PartyFound,
        PartyLost,
        PartyUpdated,
        SourceFailed,
        discover,
        find_party,
    )
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
            "loudsync.discovery": (
                "Discovery",
                "DiscoverySettings",
                "Party",
                "PartyFound",
                "PartyLost",
                "PartyUpdated",
                "SourceFailed",
                "discover",
                "find_party",
            ),
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
    "Discovery",
    "DiscoverySettings",
    "ErrorCode",
    "EventStream",
    "HostedSession",
    "LeaveReason",
    "LoudSyncError",
    "MemberInfo",
    "Party",
    "PartyFound",
    "PartyLost",
    "PartyUpdated",
    "ServerSettings",
    "SessionInfo",
    "SessionServer",
    "SourceFailed",
    "__version__",
    "discover",
    "errors",
    "events",
    "find_party",
    "host",
    "join",
]
