"""How a party is found: announced and heard over mDNS, listed, drawn as a QR code.

``search`` looks for parties and ``finding`` for one of them; ``directory``
merges what its sources see: ``browser`` (mDNS) and ``listing`` (servers),
while ``ping`` measures who can be reached. ``announcer`` is the other side of
``browser``: ``records`` is what both say, ``heard`` what was said, and
``multicast`` how.
"""

from typing import TYPE_CHECKING

from loudsync._late import late_names

if TYPE_CHECKING:
    from loudsync.discovery.announcer import Announcer
    from loudsync.discovery.finding import find_party
    from loudsync.discovery.party import (
        Party,
        PartyFound,
        PartyLost,
        PartyUpdated,
        SourceFailed,
    )
    from loudsync.discovery.qr import qr_svg
    from loudsync.discovery.records import PartyRecord
    from loudsync.discovery.search import Discovery, DiscoverySettings, discover
else:
    # A server draws QR codes and needs no client; one that doesn't, no segno.
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "loudsync.discovery.announcer": ("Announcer",),
            "loudsync.discovery.finding": ("find_party",),
            "loudsync.discovery.party": (
                "Party",
                "PartyFound",
                "PartyLost",
                "PartyUpdated",
                "SourceFailed",
            ),
            "loudsync.discovery.qr": ("qr_svg",),
            "loudsync.discovery.records": ("PartyRecord",),
            "loudsync.discovery.search": (
                "Discovery",
                "DiscoverySettings",
                "discover",
            ),
        },
    )

__all__ = [
    "Announcer",
    "Discovery",
    "DiscoverySettings",
    "Party",
    "PartyFound",
    "PartyLost",
    "PartyRecord",
    "PartyUpdated",
    "SourceFailed",
    "discover",
    "find_party",
    "qr_svg",
]
