"""mDNS, on loopback only."""

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from doctor_peers import the
from loudsync.doctor import Level
from loudsync.doctor.multicast import (
    GROUP,
    hear_oneself,
    judge_mdns,
    look_at_mdns,
)
from loudsync.doctor.neighbours import (
    WHO_IS_THERE,
    hear_others,
    judge_neighbours,
    look_for_neighbours,
)

LOOPBACK = "127.0.0.1"

NO_INTERFACE = "203.0.113.1"
"""An address for documentation (RFC 5737): no machine has it."""

PATIENCE_S = 20
"""Only ever reached where something is broken."""

ANSWER = struct.pack("!6H", 0, 0x8400, 0, 0, 0, 0)


@asynccontextmanager
async def neighbour(address: str, packet: bytes, port: int) -> AsyncIterator[None]:
    """Somebody with this address who says this to everybody, again and again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        speaker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            speaker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place = socket.inet_aton(LOOPBACK)
        speaker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, place)
        speaker.bind((address, port))

        async def speak() -> None:
            while True:
                speaker.sendto(packet, GROUP)
                await asyncio.sleep(0.01)

        speaking = asyncio.create_task(speak())
        try:
            yield
        finally:
            speaking.cancel()
            await asyncio.wait({speaking})


async def test_this_machine_hears_itself() -> None:
    assert await hear_oneself(LOOPBACK, PATIENCE_S) == ""
    found = the(await look_at_mdns([LOOPBACK], timeout_s=PATIENCE_S), "mdns")
    assert found.level is Level.OK


async def test_no_interface() -> None:
    assert await hear_oneself(NO_INTERFACE, PATIENCE_S)
    findings = await look_at_mdns([LOOPBACK, NO_INTERFACE], timeout_s=PATIENCE_S)
    found = the(findings, "mdns")
    assert found.level is Level.PROBLEM
    assert NO_INTERFACE in found.text
    assert await look_for_neighbours([NO_INTERFACE], [], timeout_s=PATIENCE_S) == []


async def test_what_takes_too_long_has_not_arrived() -> None:
    assert "doesn't arrive" in await hear_oneself(LOOPBACK, 0)


async def test_nothing_to_speak_at() -> None:
    assert await look_at_mdns([], timeout_s=PATIENCE_S) == []
    assert await look_for_neighbours([], [], timeout_s=PATIENCE_S) == []
    assert await look_for_neighbours(["::1"], [], timeout_s=PATIENCE_S) == []


async def test_nobody_else_is_there() -> None:
    assert await hear_others([LOOPBACK], [LOOPBACK], 0.05) is None


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address there")
async def test_somebody_else_is_there() -> None:
    async with neighbour("127.0.0.2", ANSWER, GROUP[1]):
        assert await hear_others([LOOPBACK], [LOOPBACK], PATIENCE_S) == "127.0.0.2"
        findings = await look_for_neighbours(
            [LOOPBACK], [LOOPBACK], timeout_s=PATIENCE_S
        )
    assert the(findings, "neighbours").level is Level.OK


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address there")
@pytest.mark.parametrize(
    ("packet", "port"), [(b"hello", GROUP[1]), (ANSWER, 0)], ids=["no DNS", "no mDNS"]
)
async def test_what_is_not_mdns_is_nobody(packet: bytes, port: int) -> None:
    async with neighbour("127.0.0.2", packet, port):
        assert await hear_others([LOOPBACK], [LOOPBACK], 0.05) is None


def test_the_question_is_one_that_zeroconf_reads() -> None:
    from zeroconf._protocol.incoming import DNSIncoming

    packet = DNSIncoming(WHO_IS_THERE)
    assert packet.valid
    [question] = packet.questions
    assert question.name == "_services._dns-sd._udp.local."


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32", "freebsd14"])
def test_every_system_has_a_hint(platform: str) -> None:
    found = the(judge_mdns({"10.0.0.1": "", "10.0.0.2": "no"}, platform), "mdns")
    assert found.level is Level.PROBLEM
    assert "10.0.0.2 (mDNS): no" in found.text
    assert "5353" in found.advice


def test_neighbours() -> None:
    assert the(judge_neighbours("10.0.0.9"), "neighbours").level is Level.OK
    alone = the(judge_neighbours(None), "neighbours")
    assert alone.level is Level.NOTE
    assert "client isolation" in alone.text
