"""Somebody in the network announces nonsense; on loopback, in real packets."""

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Iterator

import pytest

import loudsync
from loopback_discovery import LOOPBACK, watching
from mdns_packets import announcement

MDNS = ("224.0.0.251", 5353)

A_CROWD = 300


class Shouter:
    """Sends packets to everybody who listens for mDNS on loopback."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own = socket.inet_aton("127.0.0.1")
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Answers come from mDNS's own port (RFC 6762, section 6).
        self._socket.bind(("127.0.0.1", MDNS[1]))

    def shout(self, packet: bytes) -> None:
        self._socket.sendto(packet, MDNS)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def shouter() -> Iterator[Shouter]:
    shouter = Shouter()
    yield shouter
    shouter.close()


async def expect_found(code: str, watch_for: "asyncio.Task[loudsync.Party]") -> None:
    async with loudsync.host(
        "Real", host="127.0.0.1", port=0, session_id=code, advertise=True
    ) as party:
        assert (await watch_for).join_url == party.join_url


@pytest.mark.parametrize(
    "label",
    [
        b"\x1b]0;PWNED\x07",
        b"..",
        b"\x00",
        b"\xff\xfe",
    ],
)
async def test_a_name_that_is_none_ends_no_search(
    code: str, label: bytes, shouter: Shouter
) -> None:
    async with watching(code) as watch:
        async with loudsync.host(
            "Real", host="127.0.0.1", port=0, session_id=code, advertise=True
        ):
            await watch.party()
            for txt in (b"", b"\x04id=x", b"\xff\x00\xff", b"\x06id=\x1b[2"):
                shouter.shout(announcement(label, txt=txt))
            shouter.shout(announcement(label, complete=False))
            for _ in range(4):  # in each round everybody is looked at again
                await watch.party(lambda p: p.is_reachable is True)
        await watch.lost()


async def test_a_link_local_address_without_its_zone_leads_nowhere(
    code: str, shouter: Shouter
) -> None:
    entries = (b"txtvers=1", b"id=" + code.encode(), b"name=Six", b"host=Ann")
    txt = b"".join(bytes([len(entry)]) + entry for entry in entries)
    packet = announcement(b"Six", txt=txt, ipv6=("fe80::1", "fd00::1"))

    async def keep_shouting() -> None:
        while True:
            shouter.shout(packet)
            await asyncio.sleep(0.1)

    async with watching(code) as watch:
        shouting = asyncio.create_task(keep_shouting())
        party = await watch.party(lambda p: "http://[fd00::1]:9" in p.urls)
        shouting.cancel()
        assert not any("fe80" in url for url in party.urls)


async def test_a_crowd_of_names_without_anybody_behind(
    code: str, shouter: Shouter
) -> None:
    async with watching(code) as watch:
        found = asyncio.create_task(watch.party())
        for number in range(A_CROWD):
            label = f"{code}-{number}".encode()
            shouter.shout(announcement(label, complete=False, ttl_s=30))
            await asyncio.sleep(0)
        await expect_found(code, found)


async def test_who_is_looked_for_is_asked_before_the_crowd(
    code: str, shouter: Shouter
) -> None:
    """Each of these swallows what it is asked; they are asked by nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=A_CROWD) as hole:
        port = hole.getsockname()[1]
        for number in range(A_CROWD):
            label = f"{code}-{number}"
            txt = f"id={label}".encode()
            entry = bytes([len(txt)]) + txt
            shouter.shout(announcement(label.encode(), port=port, txt=entry, ttl_s=30))
            await asyncio.sleep(0)
        async with loudsync.host(
            "Real", host="127.0.0.1", port=0, session_id=code, advertise=True
        ) as party:
            found = await loudsync.find_party(code, interfaces=LOOPBACK, timeout_s=20)
            assert found.join_url == party.join_url


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
async def test_a_search_that_ends_at_once_leaves_no_socket() -> None:
    async with loudsync.discover(interfaces=LOOPBACK):
        await asyncio.sleep(0)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        async with loudsync.discover(interfaces=LOOPBACK):
            await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208
