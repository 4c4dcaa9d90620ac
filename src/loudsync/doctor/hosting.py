"""Whether guests can reach a server on this machine: the deciding; pure.

``ports`` has gathered what is decided on.
"""

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from loudsync.address import base_url
from loudsync.discovery.interfaces import NetworkAddress, Reach, is_every_network
from loudsync.doctor.finding import Finding, note, ok, problem, quoted
from loudsync.doctor.ports import Binding, Peer, PortFacts
from loudsync.server.links import names_this_machine

_PORT: Final = "port"
_LOOPBACK: Final = "loopback"
_ADDRESSES: Final = "addresses"

MAX_LINKS: Final = 4
"""More in one sentence nobody reads."""

_NO_ROUTER: Final = "169.254."
"""What a machine gives itself where no router gave it an address (RFC 3927)."""

_WHO_USES_IT: Final = {
    "linux": "ss -ltnp 'sport = :{port}'",
    "darwin": "lsof -nP -iTCP:{port} -sTCP:LISTEN",
    "win32": "netstat -ano | findstr :{port}",
}


def judge_port(facts: PortFacts, platform: str = sys.platform) -> list[Finding]:
    """Say whether a server can have the port, or has it."""
    port = facts.port
    if facts.running_at:
        return [ok(_PORT, f"A LoudSync server runs at port {port} of this machine.")]
    in_use = facts.binding is Binding.IN_USE or Peer.OTHER in facts.peers.values()
    if in_use:
        command = _WHO_USES_IT.get(platform, _WHO_USES_IT["linux"])
        return [
            problem(
                _PORT,
                f"Port {port} is in use by another program, so that no party can "
                "be hosted there.",
                "Take another port with --port, or stop that program; this tells "
                f"which it is: {command.format(port=port)}",
            )
        ]
    match facts.binding:
        case Binding.NO_RIGHT if port < 1024 and platform != "win32":
            return [
                problem(
                    _PORT,
                    f"Ports below 1024, such as {port}, are for administrators only.",
                    "Take a port from 1024 up: --port 8080.",
                )
            ]
        case Binding.NO_RIGHT:
            return [
                problem(
                    _PORT,
                    f"The system doesn't let programs listen at port {port}.",
                    "Take another port with --port.",
                )
            ]
        case Binding.NO_SUCH_ADDRESS:
            return [
                problem(
                    _PORT,
                    f"This machine has no address {quoted(facts.host)}, so that no "
                    "party can be hosted there.",
                    "Leave --host out: then every network of this machine is served.",
                )
            ]
        case Binding.FAILED:
            return [
                problem(
                    _PORT,
                    f"Nothing can listen at port {port}: {facts.reason}.",
                    "Take another port with --port.",
                )
            ]
        case _:
            return [ok(_PORT, f"Port {port} is free.")]


def judge_loopback(
    facts: PortFacts, addresses: Sequence[NetworkAddress]
) -> list[Finding]:
    """Say whether a server is there for this machine only.

    Args:
        facts: Who answers at the port.
        addresses: What the host stands for.
    """
    if _is_loopback(facts.host):
        return [
            problem(
                _LOOPBACK,
                f"A party at {facts.host} can only be joined from this machine itself.",
                f"{_LISTEN_EVERYWHERE} {_BEHIND_A_PROXY}",
            )
        ]
    own = [a.ip for a in addresses if a.reach is not Reach.THIS_MACHINE]
    asked = [ip for ip in own if ip in facts.peers]
    running = facts.running_at
    if running and asked and not any(ip in running for ip in asked):
        return [
            problem(
                _LOOPBACK,
                "The LoudSync server that runs here answers this machine only, and "
                f"not at {asked[0]}, where guests come.",
                f"{_LISTEN_EVERYWHERE} {_BEHIND_A_PROXY}",
            )
        ]
    return []


_LISTEN_EVERYWHERE: Final = "Start it without --host, or with --host 0.0.0.0."
_BEHIND_A_PROXY: Final = (
    "Where a proxy such as nginx brings the guests, this is right: then examine "
    "the proxy's link with loudsync doctor LINK."
)


def judge_addresses(
    facts: PortFacts, addresses: Sequence[NetworkAddress], inside: str = ""
) -> list[Finding]:
    """Say which addresses guests can open.

    Args:
        facts: The port, and whether a server with TLS has it.
        addresses: What the host stands for, best first.
        inside: What this machine runs in, as ``inside_of`` tells it.
    """
    if facts.binding is Binding.NO_SUCH_ADDRESS or _is_loopback(facts.host):
        return []  # that is told already
    network = [a for a in addresses if a.reach is Reach.NETWORK]
    if inside and network:
        what, advice = _INSIDE[inside]
        return [
            note(
                _ADDRESSES,
                what.format(places=_links(facts, network)),
                advice.format(port=facts.port),
            )
        ]
    virtual = [a for a in addresses if a.reach is Reach.VIRTUAL]
    findings = []
    if network:
        findings.append(_judge_network(facts, network))
    elif not virtual:
        findings.append(
            problem(
                _ADDRESSES,
                "This machine is in no network, so that no guest can reach it.",
                "Connect it to the Wi-Fi or the cable that the guests are in.",
            )
        )
    if virtual:
        text = (
            "Only virtual machines, containers or a VPN reach "
            f"{_links(facts, virtual)}."
        )
        findings.append(
            ok(_ADDRESSES, text)
            if network
            else note(
                _ADDRESSES,
                f"{text} This machine is in no other network.",
                "Connect it to the guests' Wi-Fi or network, or let the guests "
                "into the same VPN.",
            )
        )
    return findings


def _judge_network(facts: PortFacts, network: Sequence[NetworkAddress]) -> Finding:
    given = [a for a in network if not a.ip.startswith(_NO_ROUTER)]
    if given:
        return ok(
            _ADDRESSES,
            f"Guests in the same network as this machine open {_links(facts, given)}.",
        )
    return note(
        _ADDRESSES,
        f"This machine gave itself the address {network[0].ip}, as no router gave "
        "it one.",
        "Connect it to the Wi-Fi or router that the guests are in; only machines on "
        "the same bare cable can join as it is.",
    )


def _links(facts: PortFacts, addresses: Sequence[NetworkAddress]) -> str:
    is_secure = Peer.SECURE_LOUDSYNC in facts.peers.values()
    links = [
        f"{base_url(address.ip, facts.port, is_secure=is_secure)} "
        f"({quoted(address.interface, 32)})"
        for address in addresses
    ]
    shown, more = links[:MAX_LINKS], len(links) - MAX_LINKS
    if more > 0:
        return f"{', '.join(shown)}, or {more} more"
    return " or ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _is_loopback(host: str) -> bool:
    """Whether a host to listen at is for this machine only."""
    return names_this_machine(host) and not is_every_network(host)


def inside_of(kernel: str, *, has_container_mark: bool) -> str:
    """Tell what this machine runs in: ``wsl``, ``container`` or nothing.

    Args:
        kernel: What ``/proc/version`` says; empty where there is none.
        has_container_mark: Whether the files that Docker and Podman leave exist.
    """
    if "microsoft" in kernel.lower():
        return "wsl"
    return "container" if has_container_mark else ""


class _Inside(NamedTuple):
    what: str
    advice: str


_INSIDE: Final = {
    "wsl": _Inside(
        what="This is Linux inside Windows (WSL): guests reach {places} only where "
        "Windows passes them on.",
        advice="If they can't, run loudsync in Windows itself, or set "
        "networkingMode=mirrored in .wslconfig and open port {port} in the Windows "
        "firewall.",
    ),
    "container": _Inside(
        what="This is a container: guests reach {places} only where it shares the "
        "network of the machine that it runs on.",
        advice="If it doesn't, publish the port with -p {port}:{port} and give "
        "--public-url the address of that machine.",
    ),
}
