"""Servers that share their parties over NATS: what the options make of it.

Only who asks for it needs NATS's client, and pays for loading it.
"""

import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from loudsync._systems import BALANCES_PORTS
from loudsync.cli.options import DEFAULT_NATS
from loudsync.cli.problems import WrongUsage
from loudsync.errors import StartFailed

if TYPE_CHECKING:
    from loudsync.cluster import ClusterSettings

_SCHEMES: Final = ("nats", "tls")

_NODE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""What NATS takes as a part of a subject, with room for a worker's number."""


class NatsOptions(NamedTuple):
    """Where NATS is, and how to be let in.

    Attributes:
        servers: Addresses of its servers; none: NATS isn't used, or only our own.
        replicas: 0: what suits it.
    """

    servers: tuple[str, ...] = ()
    credentials: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    replicas: int = 0


def nats_servers(given: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses in what was given, each perhaps several with commas.

    Raises:
        WrongUsage: One is none.
    """
    addresses = [address for text in given for address in text.split(",")]
    return tuple(_checked(address.strip()) for address in addresses)


def _checked(address: str) -> str:
    url = address if "://" in address else f"nats://{address}"
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in _SCHEMES and bool(parts.hostname)
        _ = parts.port  # raises where it is none
    except ValueError:
        is_usable = False
    if not is_usable or any(c.isspace() for c in url):
        # Not the address itself: a password may be in it.
        raise WrongUsage("--nats takes addresses such as nats://10.0.0.5:4222")
    return url


def check_nats(nats: NatsOptions) -> None:
    """Look whether the options for NATS fit together.

    Raises:
        WrongUsage: They don't.
    """
    if (nats.certificate is None) != (nats.key is None):
        raise WrongUsage("--nats-cert and --nats-key go together; give both or neither")
    given = [*_files(nats), *(["--nats-replicas"] if nats.replicas else [])]
    if given and not nats.servers:
        raise WrongUsage(f"{given[0]} needs --nats; name the NATS server, or leave it")


def _files(nats: NatsOptions) -> dict[str, Path]:
    files = {
        "--nats-creds": nats.credentials,
        "--nats-ca": nats.ca,
        "--nats-cert": nats.certificate,
        "--nats-key": nats.key,
    }
    return {option: file for option, file in files.items() if file is not None}


def check_serving(
    nats: NatsOptions, *, node_name: str, workers: int, state: Path | None
) -> None:
    """Look whether what ``serve`` got fits together.

    Raises:
        WrongUsage: It doesn't.
    """
    check_nats(nats)
    if node_name and not nats.servers and workers == 1:
        raise WrongUsage("--node-name needs --nats or --workers; or leave it")
    if node_name and not _NODE_NAME.fullmatch(node_name):
        raise WrongUsage("--node-name takes 1 to 32 letters, digits, - and _")
    if nats.servers and state is not None:
        raise WrongUsage(
            "--state doesn't go with --nats: NATS keeps the sessions; leave it away"
        )
    if workers == 1:
        return
    if not BALANCES_PORTS:
        raise WrongUsage(
            "--workers needs Linux; start servers with a port each, and --nats"
        )
    if state is not None and state.exists() and not state.is_dir():
        raise WrongUsage(f"--state {state} is a file; with --workers it names a folder")


def cluster_settings(nats: NatsOptions, node_name: str = "") -> "ClusterSettings":
    """Make the settings of a node.

    Raises:
        StartFailed: NATS's client isn't installed, or a file can't be read.
    """
    needed = ["nats"] if nats.credentials is None else ["nats", "nkeys"]
    if not all(importlib.util.find_spec(package) for package in needed):
        raise StartFailed(
            "NATS's client is missing; install loudsync[cluster]: "
            f"{sys.executable} -m pip install 'loudsync[cluster]'"
        )
    for option, file in _files(nats).items():
        try:
            file.open("rb").close()
        except OSError as fault:
            raise StartFailed(
                f"{option} {file} can't be read: {fault.strerror}"
            ) from None
    from loudsync.cluster import ClusterSettings

    return ClusterSettings(
        servers=nats.servers or (DEFAULT_NATS,),
        node_name=node_name,
        credentials=nats.credentials,
        tls_ca=nats.ca,
        tls_cert=nats.certificate,
        tls_key=nats.key,
        replicas=nats.replicas,
    )
