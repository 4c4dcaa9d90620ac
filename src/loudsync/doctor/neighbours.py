"""Whether anybody else in the network speaks mDNS, and so can be reached at all."""

import asyncio
import struct
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Final, cast

from loudsync.doctor.finding import Finding, note, ok
from loudsync.doctor.multicast import GROUP, open_mdns

_NEIGHBOURS: Final = "neighbours"

WHO_IS_THERE: Final = b"".join(
    [
        struct.pack("!6H", 0, 0, 1, 0, 0, 0),
        *(
            bytes([len(label)]) + label
            for label in (b"_services", b"_dns-sd", b"_udp", b"local", b"")
        ),
        struct.pack("!2H", 12, 1),
    ]
)
"""The question which services there are (RFC 6763, section 9)."""

_HEAD_BYTES: Final = 12
"""What every packet of DNS has."""

_ASK_AGAIN_S: Final = 0.8
"""One packet may get lost: Wi-Fi doesn't repeat what is sent to everybody."""


async def look_for_neighbours(
    interfaces: Sequence[str], own: Collection[str], *, timeout_s: float
) -> list[Finding]:
    """Ask who else is there, and wait for the first answer.

    Args:
        interfaces: Addresses of the interfaces to ask at.
        own: Every address of this machine.
        timeout_s: How long others may take to answer.
    """
    asked = [interface for interface in interfaces if ":" not in interface]
    if not asked:
        return []
    try:
        return judge_neighbours(await hear_others(asked, own, timeout_s))
    except OSError:
        return []  # then this machine does not hear itself either, which is told


def judge_neighbours(other: str | None) -> list[Finding]:
    """Say whether devices in this network see one another.

    Args:
        other: The address of somebody else who spoke mDNS.
    """
    if other is not None:
        return [
            ok(
                _NEIGHBOURS,
                f"Devices in this network see one another: {other} was heard.",
            )
        ]
    return [
        note(
            _NEIGHBOURS,
            "No other device in this network was heard. Perhaps there is none now; "
            "but guest Wi-Fi often keeps devices from seeing one another (client "
            "isolation).",
            "If guests can't join by link either, use another network, such as a "
            "phone's hotspot, or switch client isolation off in the router.",
        )
    ]


async def hear_others(
    interfaces: Sequence[str], own: Collection[str], timeout_s: float
) -> str | None:
    """Ask who is there; return the address of the first that is not ours.

    zeroconf tells what was said but not who said it, so this has sockets of
    its own.

    Raises:
        OSError: There is no mDNS at these interfaces.
    """
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as undo:
        ears = []
        for interface in interfaces:
            ears.append(await _listen(interface, own, heard))
            undo.push_async_callback(ears[-1].close)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not heard.done():
                    for ear in ears:
                        ear.ask()
                    await asyncio.wait({heard}, timeout=_ASK_AGAIN_S)
    return heard.result() if heard.done() else None


async def _listen(
    interface: str, own: Collection[str], heard: "asyncio.Future[str]"
) -> "_Ear":
    bound = open_mdns(interface)
    try:
        _, ear = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Ear(own, heard), sock=bound
        )
    except BaseException:
        bound.close()
        raise
    return ear


class _Ear(asyncio.DatagramProtocol):
    """Asks who is there, and hears what is not our own."""

    def __init__(self, own: Collection[str], heard: "asyncio.Future[str]") -> None:
        self._own = own
        self._heard = heard
        self._closed = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Get ready to ask."""
        # A datagram transport, though uvloop's is no subclass of asyncio's.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Notice who speaks mDNS."""
        is_mdns = len(data) >= _HEAD_BYTES and addr[1] == GROUP[1]
        if is_mdns and addr[0] not in self._own and not self._heard.done():
            self._heard.set_result(addr[0])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Learn that the socket is closed."""
        self._closed.set()

    def ask(self) -> None:
        """Ask everybody at this interface."""
        if self._transport is not None:
            self._transport.sendto(WHO_IS_THERE, GROUP)

    async def close(self) -> None:
        """Close the socket; return once it is."""
        if self._transport is not None:
            self._transport.abort()
            await self._closed.wait()
