"""Many server processes as one service, on NATS.

A member's connection hangs on any node, its *edge*; each session is decided
about by one node, its *owner*, with the same rules and the same runner as on a
single server. From a connection inwards: ``edge`` takes what members ask;
``courier`` brings it to the owner that ``claims`` finds, or makes of this node;
``owner`` hands it to the runner, whose ``store`` writes every change to NATS
before a word of it is said; ``channels`` carries the words to other edges, where
``deliveries`` takes them in.
``lease`` tells whether a node may trust what it knows, ``peers`` who else is
there. ``wire`` has all that nodes say to each other, ``kept`` what they keep.
``bus`` and ``buckets`` are NATS; ``node`` is the whole, and ``catalogue`` what HTTP
sees of it.
"""

from typing import TYPE_CHECKING

from loudsync._late import late_names

if TYPE_CHECKING:
    from loudsync.cluster.listing import NodeReport, list_nodes
    from loudsync.cluster.node import ClusterNode
    from loudsync.cluster.settings import ClusterSettings
else:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "loudsync.cluster.listing": ("NodeReport", "list_nodes"),
            "loudsync.cluster.node": ("ClusterNode",),
            "loudsync.cluster.settings": ("ClusterSettings",),
        },
    )

__all__ = ["ClusterNode", "ClusterSettings", "NodeReport", "list_nodes"]
