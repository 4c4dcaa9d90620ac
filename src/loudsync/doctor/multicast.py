"""Whether mDNS works on this machine.

mDNS is how ``loudsync discover`` finds parties: everybody in a network hears
what is said to one address (RFC 6762).
"""

import asyncio
import secrets
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from loudsync.doctor.finding import Finding, ok, problem

_MDNS: Final = "mdns"

GROUP: Final = ("224.0.0.251", 5353)

SERVICE_TYPE: Final = "_ls-check._tcp.local."
"""Nobody offers it but this check; a type has 15 characters at most."""

_HINTS: Final = {
    "linux": "Let the firewall pass UDP port 5353.",
    "darwin": "Allow the terminal in System Settings, Privacy & Security, Local "
    "Network, and let the firewall pass Python.",
    "win32": "Set the network to Private in the Windows settings, and let the "
    "firewall pass UDP port 5353.",
}


async def look_at_mdns(interfaces: Sequence[str], *, timeout_s: float) -> list[Finding]:
    """Let this machine talk to itself over each interface.

    Args:
        interfaces: Their addresses.
        timeout_s: How long it may take to hear itself.
    """
    faults = await asyncio.gather(
        *(hear_oneself(interface, timeout_s) for interface in interfaces)
    )
    return judge_mdns(dict(zip(interfaces, faults, strict=True)), sys.platform)


def judge_mdns(faults: dict[str, str], platform: str) -> list[Finding]:
    """Say whether parties can be announced and found.

    Args:
        faults: What went wrong at each interface; empty where nothing did.
        platform: As ``sys.platform``.
    """
    wrong = {interface: fault for interface, fault in faults.items() if fault}
    if not faults:
        return []
    if not wrong:
        return [
            ok(
                _MDNS,
                "This machine can announce parties on the network, for loudsync "
                "discover (by mDNS).",
            )
        ]
    interface, fault = next(iter(wrong.items()))
    return [
        problem(
            _MDNS,
            f"Parties can't be announced or found on the network at {interface} "
            f"(mDNS): {fault}. Links and codes still work.",
            f"{_HINTS.get(platform, _HINTS['linux'])} Another program that keeps UDP "
            "port 5353 for itself has to be stopped.",
        )
    ]


async def hear_oneself(interface: str, timeout_s: float) -> str:
    """Announce a service and look for it; return what goes wrong, if anything.

    Two parts of this program do it as two machines would.
    """
    from zeroconf import Error, ServiceInfo
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

    address = interface.partition("%")[0]
    name = f"{secrets.token_hex(6)}.{SERVICE_TYPE}"
    heard = asyncio.Event()

    def notice(name: str, **_: object) -> None:
        if name == service.name:
            heard.set()

    service = ServiceInfo(
        SERVICE_TYPE,
        name,
        port=9,
        server=name,
        parsed_addresses=[address],
    )
    try:
        if ":" not in address:
            # Where it fails, zeroconf leaves its sockets open.
            open_mdns(address).close()
        speaker = AsyncZeroconf([address])
        try:
            listener = AsyncZeroconf([address])
            try:
                browser = AsyncServiceBrowser(
                    listener.zeroconf, SERVICE_TYPE, handlers=[notice]
                )
                async with asyncio.timeout(timeout_s):
                    # Its name is drawn: nobody needs to be asked for it.
                    await speaker.async_register_service(
                        service, cooperating_responders=True
                    )
                    await heard.wait()
                await browser.async_cancel()
            finally:
                await listener.async_close()
        finally:
            await speaker.async_close()
    except TimeoutError:
        return "what is sent to everybody doesn't arrive"
    except (OSError, RuntimeError, Error) as fault:
        return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
    return ""


def open_mdns(interface: str) -> socket.socket:
    """Open a socket that shares the mDNS port with whoever has it."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            with suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place = socket.inet_aton(interface)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, place)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        opened.bind(("", GROUP[1]))
        opened.setsockopt(
            socket.IPPROTO_IP,
            socket.IP_ADD_MEMBERSHIP,
            socket.inet_aton(GROUP[0]) + place,
        )
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
