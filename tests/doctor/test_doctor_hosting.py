"""This machine as a place to host: the decisions, both sides of each."""

import pytest

from doctor_peers import the
from loudsync.discovery.interfaces import NetworkAddress, Reach
from loudsync.doctor import Level
from loudsync.doctor.hosting import (
    MAX_LINKS,
    inside_of,
    judge_addresses,
    judge_loopback,
    judge_port,
)
from loudsync.doctor.ports import Binding, Peer, PortFacts

WIFI = NetworkAddress("192.168.1.5", "wlan0", Reach.NETWORK)
CABLE = NetworkAddress("fd00::5", "eth0", Reach.NETWORK)
LINK = NetworkAddress("fe80::1%eth0", "eth0", Reach.LINK)
DOCKER = NetworkAddress("172.17.0.1", "docker0", Reach.VIRTUAL)
LOCAL = NetworkAddress("127.0.0.1", "lo", Reach.THIS_MACHINE)
OWN_IDEA = NetworkAddress("169.254.7.7", "eth0", Reach.NETWORK)


def facts(
    binding: Binding = Binding.FREE,
    *,
    host: str = "0.0.0.0",
    port: int = 8080,
    **more: Peer,
) -> PortFacts:
    peers = {_IPS[name]: peer for name, peer in more.items()}
    return PortFacts(host, port, binding, "some reason", peers)


_IPS = {"local": LOCAL.ip, "wifi": WIFI.ip, "docker": DOCKER.ip}


# --- The port ------------------------------------------------------------------


def test_a_free_port() -> None:
    found = the(judge_port(facts(local=Peer.NOBODY)), "port")
    assert (found.level, found.text) == (Level.OK, "Port 8080 is free.")


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("linux", "ss -ltnp 'sport = :8080'"),
        ("darwin", "lsof -nP -iTCP:8080 -sTCP:LISTEN"),
        ("win32", "netstat -ano | findstr :8080"),
        ("freebsd14", "ss -ltnp"),
    ],
)
def test_another_program_has_the_port(platform: str, command: str) -> None:
    for taken in (
        facts(Binding.IN_USE, local=Peer.NOBODY),
        facts(Binding.FREE, local=Peer.OTHER),
    ):
        found = the(judge_port(taken, platform), "port")
        assert found.level is Level.PROBLEM
        assert "--port" in found.advice
        assert command in found.advice


@pytest.mark.parametrize("peer", [Peer.LOUDSYNC, Peer.SECURE_LOUDSYNC])
def test_a_loudsync_server_has_the_port(peer: Peer) -> None:
    found = the(judge_port(facts(Binding.IN_USE, local=peer)), "port")
    assert found.level is Level.OK
    assert "A LoudSync server runs at port 8080" in found.text


@pytest.mark.parametrize(
    ("port", "platform", "text"),
    [
        (1023, "linux", "below 1024"),
        (1024, "linux", "doesn't let programs listen"),
        (80, "win32", "doesn't let programs listen"),
    ],
)
def test_a_port_that_needs_rights(port: int, platform: str, text: str) -> None:
    found = the(judge_port(facts(Binding.NO_RIGHT, port=port), platform), "port")
    assert found.level is Level.PROBLEM
    assert text in found.text


def test_an_address_that_this_machine_has_not() -> None:
    elsewhere = facts(Binding.NO_SUCH_ADDRESS, host="10.0.0.1")
    found = the(judge_port(elsewhere), "port")
    assert found.level is Level.PROBLEM
    assert "no address 10.0.0.1" in found.text
    assert judge_addresses(elsewhere, []) == []


def test_a_port_that_fails_for_another_reason() -> None:
    found = the(judge_port(facts(Binding.FAILED)), "port")
    assert found.level is Level.PROBLEM
    assert "some reason" in found.text


# --- Loopback only -------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_a_host_that_is_this_machine_only(host: str) -> None:
    found = the(judge_loopback(facts(host=host), [LOCAL]), "loopback")
    assert found.level is Level.PROBLEM
    assert "--host 0.0.0.0" in found.advice
    assert judge_addresses(facts(host=host), [LOCAL]) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5"])
def test_a_host_that_guests_reach(host: str) -> None:
    assert judge_loopback(facts(host=host), [WIFI]) == []


def test_a_server_that_answers_this_machine_only() -> None:
    running = facts(Binding.IN_USE, local=Peer.LOUDSYNC, wifi=Peer.NOBODY)
    found = the(judge_loopback(running, [WIFI]), "loopback")
    assert found.level is Level.PROBLEM
    assert WIFI.ip in found.text


def test_a_server_that_answers_in_one_of_two_networks() -> None:
    running = facts(
        Binding.IN_USE, local=Peer.LOUDSYNC, wifi=Peer.LOUDSYNC, docker=Peer.NOBODY
    )
    assert judge_loopback(running, [WIFI, DOCKER]) == []


def test_a_server_on_a_machine_without_a_network() -> None:
    running = facts(Binding.IN_USE, local=Peer.LOUDSYNC)
    assert judge_loopback(running, [LOCAL]) == []


# --- The addresses -------------------------------------------------------------


def test_links_for_guests() -> None:
    found = the(judge_addresses(facts(), [WIFI, CABLE, LINK]), "addresses")
    assert found.level is Level.OK
    assert (
        "http://192.168.1.5:8080 (wlan0) or http://[fd00::5]:8080 (eth0)" in found.text
    )
    assert "fe80" not in found.text


def test_links_of_a_server_with_tls() -> None:
    running = facts(Binding.IN_USE, wifi=Peer.SECURE_LOUDSYNC)
    found = the(judge_addresses(running, [WIFI]), "addresses")
    assert "https://192.168.1.5:8080 (wlan0)" in found.text


@pytest.mark.parametrize("count", [1, MAX_LINKS, MAX_LINKS + 3])
def test_many_links_are_cut(count: int) -> None:
    many = [WIFI._replace(ip=f"192.168.1.{n}") for n in range(1, count + 1)]
    text = the(judge_addresses(facts(), many), "addresses").text
    assert text.count("http://") == min(count, MAX_LINKS)
    assert ("3 more" in text) == (count > MAX_LINKS)


def test_virtual_addresses_are_called_so() -> None:
    real, virtual = judge_addresses(facts(), [WIFI, DOCKER])
    assert "docker0" not in real.text
    assert "http://172.17.0.1:8080 (docker0)" in virtual.text
    assert virtual.level is Level.OK

    found = the(judge_addresses(facts(), [DOCKER]), "addresses")
    assert found.level is Level.NOTE


@pytest.mark.parametrize("addresses", [[], [LOCAL], [LINK]])
def test_no_network(addresses: list[NetworkAddress]) -> None:
    found = the(judge_addresses(facts(), addresses), "addresses")
    assert found.level is Level.PROBLEM
    assert "in no network" in found.text


def test_an_address_that_no_router_gave() -> None:
    found = the(judge_addresses(facts(), [OWN_IDEA]), "addresses")
    assert found.level is Level.NOTE
    both = the(judge_addresses(facts(), [OWN_IDEA, WIFI]), "addresses")
    assert both.level is Level.OK
    assert OWN_IDEA.ip not in both.text


@pytest.mark.parametrize(
    ("kernel", "has_mark", "inside"),
    [
        ("Linux version 5.15.90.1-microsoft-standard-WSL2", False, "wsl"),
        ("Linux version 6.8.0-generic", True, "container"),
        ("Linux version 6.8.0-generic", False, ""),
        ("", False, ""),
    ],
)
def test_machines_inside_machines(kernel: str, has_mark: bool, inside: str) -> None:
    assert inside_of(kernel, has_container_mark=has_mark) == inside
    found = the(judge_addresses(facts(), [WIFI], inside), "addresses")
    assert "http://192.168.1.5:8080" in found.text
    assert (found.level is Level.NOTE) == bool(inside)
    assert ("8080" in found.advice) == bool(inside)


def test_a_machine_inside_a_machine_without_a_network() -> None:
    found = the(judge_addresses(facts(), [], "container"), "addresses")
    assert found.level is Level.PROBLEM
