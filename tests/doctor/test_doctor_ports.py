"""Looking at real ports of this machine."""

import socket
import sys
from pathlib import Path

import pytest

import loudsync
from doctor_peers import tcp_server
from loudsync.address import parse_address
from loudsync.discovery.interfaces import NetworkAddress, Reach
from loudsync.doctor.hosting import judge_loopback, judge_port
from loudsync.doctor.ports import Binding, Peer, PortFacts, look_at_port
from loudsync.server.tls import load_tls

DATA = Path(__file__).parent / "data"

LOCAL = NetworkAddress("127.0.0.1", "lo", Reach.THIS_MACHINE)
NETWORK = NetworkAddress("127.0.0.2", "eth0", Reach.NETWORK)
"""Another address of loopback plays the network."""


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return int(port)


async def look(
    port: int, host: str = "127.0.0.1", addresses: tuple[NetworkAddress, ...] = (LOCAL,)
) -> PortFacts:
    return await look_at_port(host, port, addresses, timeout_s=20)


def port_of(party: loudsync.HostedSession) -> int:
    return int(parse_address(party.join_url).base_url.rpartition(":")[2])


async def test_a_free_port(free_port: int) -> None:
    facts = await look(free_port)
    assert facts.binding is Binding.FREE
    assert facts.peers == {"127.0.0.1": Peer.NOBODY}


async def test_a_loudsync_server() -> None:
    async with loudsync.host("Party", host="127.0.0.1", port=0) as party:
        facts = await look(port_of(party))
        everywhere = await look(port_of(party), "0.0.0.0", (LOCAL,))
    assert facts.binding is everywhere.binding is Binding.IN_USE
    assert facts.running_at == {"127.0.0.1": Peer.LOUDSYNC}
    assert everywhere.running_at == {"127.0.0.1": Peer.LOUDSYNC}


async def test_a_loudsync_server_with_tls() -> None:
    tls = load_tls(DATA / "orphan.pem", DATA / "localhost-key.pem")
    async with loudsync.host("Party", host="127.0.0.1", port=0, tls=tls) as party:
        facts = await look(port_of(party))
    assert facts.running_at == {"127.0.0.1": Peer.SECURE_LOUDSYNC}


@pytest.mark.parametrize("greeting", [b"", b"220 mail ESMTP\r\n"])
async def test_another_program(greeting: bytes) -> None:
    async with tcp_server(greeting) as port:
        facts = await look_at_port("127.0.0.1", port, [LOCAL], timeout_s=0.1)
    assert facts.binding is Binding.IN_USE
    assert facts.peers == {"127.0.0.1": Peer.OTHER}
    [found] = judge_port(facts)
    assert "in use by another program" in found.text


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address there")
async def test_a_server_at_loopback_only() -> None:
    async with loudsync.host("Party", host="127.0.0.1", port=0) as party:
        facts = await look(port_of(party), "0.0.0.0", (NETWORK,))
    assert facts.peers == {"127.0.0.1": Peer.LOUDSYNC, "127.0.0.2": Peer.NOBODY}
    [found] = judge_loopback(facts, (NETWORK,))
    assert "not at 127.0.0.2" in found.text


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address there")
async def test_a_server_in_the_network_only() -> None:
    with socket.socket() as held:
        # Nobody listens at it, nor can another test.
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        async with loudsync.host("Party", host="127.0.0.2", port=port):
            facts = await look(port, "0.0.0.0", (NETWORK,))
    assert facts.peers == {"127.0.0.1": Peer.NOBODY, "127.0.0.2": Peer.LOUDSYNC}
    assert judge_loopback(facts, (NETWORK,)) == []


async def test_an_address_of_another_machine(free_port: int) -> None:
    # For documentation (RFC 5737): no machine has it, and nobody is asked.
    facts = await look(free_port, "203.0.113.1", ())
    assert facts.binding is Binding.NO_SUCH_ADDRESS
    assert facts.peers == {}


async def test_a_name_that_no_host_can_have(free_port: int) -> None:
    facts = await look(free_port, "x" * 64, ())
    assert facts.binding is Binding.NO_SUCH_ADDRESS
