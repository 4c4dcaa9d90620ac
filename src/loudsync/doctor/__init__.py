"""Says in plain words why guests can't join.

``machine`` examines this machine as a place to host parties, ``server`` the way
to a party elsewhere. Both gather facts and let pure functions judge them, which
stand beside: ``ports`` and ``hosting``, ``firewall``, ``multicast`` and
``neighbours``, ``clock``, ``limits`` here; ``reaching``, ``securing``, ``asking`` and ``serving``,
``speaking`` there. ``running`` runs checks side by side, and ``finding`` is what
comes out.
"""

from typing import TYPE_CHECKING

from loudsync._late import late_names
from loudsync.doctor.finding import Finding, Level

if TYPE_CHECKING:
    from loudsync.doctor.machine import examine_machine
    from loudsync.doctor.server import examine_server
else:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "loudsync.doctor.machine": ("examine_machine",),
            "loudsync.doctor.server": ("examine_server",),
        },
    )

__all__ = ["Finding", "Level", "examine_machine", "examine_server"]
