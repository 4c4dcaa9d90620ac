"""Where a cluster's NATS is, and the times its nodes go by."""

import re
import socket
from pathlib import Path
from typing import Final

import msgspec

from loudsync.errors import InvalidSetting

DEFAULT_SERVERS: Final = ("nats://127.0.0.1:4222",)

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")
"""A node's name stands in keys and subjects."""

_MAX_NAME_LENGTH: Final = 40


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a node reaches NATS, and how long it waits for whom.

    Attributes:
        servers: Addresses of NATS servers, as ``nats://10.0.0.5:4222``; one that
            answers is enough, it names the others.
        node_name: What operators see it called; empty: the machine's name.
        credentials: A NATS ``.creds`` file.
        tls_ca: Certificates to trust; with any of the TLS files TLS is used.
        tls_cert: A client certificate, with ``tls_key``.
        tls_key: Its key.
        replicas: How many NATS servers keep each session; 0: three in a NATS
            cluster, one on a single server.
        connect_timeout_s: How long the first connection may take.
        request_timeout_s: How long another node may take to answer.
        join_hold_s: How long a JOIN waits for its session to be reachable.
        grace_s: For how long nobody expires after NATS was away: who lost the
            connection because of it, needs the time to come back.
        drain_s: Over how long a leaving node closes its connections, so that
            they don't all come to the others in one moment.
    """

    servers: tuple[str, ...] = DEFAULT_SERVERS
    node_name: str = ""
    credentials: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    replicas: int = 0
    connect_timeout_s: float = 10.0
    request_timeout_s: float = 1.0
    join_hold_s: float = 5.0
    grace_s: float = 5.0
    drain_s: float = 3.0

    def __post_init__(self) -> None:
        if not self.servers:
            raise InvalidSetting("servers", "must name a NATS server")
        if self.replicas not in {0, 1, 3, 5}:
            raise InvalidSetting("replicas", "must be 1, 3 or 5, or 0 for automatic")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InvalidSetting("tls_cert", "goes together with tls_key")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection to NATS is to be secured with files of ours."""
        return self.tls_ca is not None or self.tls_cert is not None


def clean_node_name(name: str) -> str:
    """Return a name as it may stand in keys and subjects."""
    cleaned = _NOT_IN_A_NAME.sub("-", name or socket.gethostname()).strip("-")
    return cleaned[:_MAX_NAME_LENGTH] or "node"
