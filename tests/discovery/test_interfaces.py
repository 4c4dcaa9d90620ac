"""This machine's own addresses."""

import ipaddress

import pytest

from loudsync.discovery.interfaces import (
    NetworkAddress,
    Reach,
    addresses_of,
    network_addresses,
    reach_of,
)


def test_loopback_is_there_and_last() -> None:
    addresses = network_addresses()
    loopback = [a for a in addresses if a.reach is Reach.THIS_MACHINE]
    assert "127.0.0.1" in {a.ip for a in loopback}
    assert addresses[-len(loopback) :] == loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_on_loopback_is_reached_there_only(host: str) -> None:
    (address,) = addresses_of(host)
    assert (address.ip, address.reach) == ("127.0.0.1", Reach.THIS_MACHINE)


def test_every_ipv4_network_is_no_ipv6_one() -> None:
    assert not any(a.is_ipv6 for a in addresses_of("0.0.0.0"))
    assert set(addresses_of("0.0.0.0")) <= {
        *addresses_of("::"),
        *addresses_of("127.0.0.1"),
    }


def test_an_address_that_this_machine_does_not_have_leads_nowhere() -> None:
    assert addresses_of("203.0.113.1") == []


@pytest.mark.parametrize(
    ("ip", "interface", "reach"),
    [
        ("192.168.1.5", "wlan0", Reach.NETWORK),
        ("192.168.1.5", "Wi-Fi", Reach.NETWORK),
        ("169.254.3.4", "en0", Reach.NETWORK),
        ("2001:db8::1", "eth0", Reach.NETWORK),
        ("fe80::1", "en0", Reach.LINK),
        ("172.17.0.1", "docker0", Reach.VIRTUAL),
        ("100.64.0.1", "tailscale0", Reach.VIRTUAL),
        ("10.8.0.2", "utun3", Reach.VIRTUAL),
        ("172.20.0.1", "vEthernet (WSL)", Reach.VIRTUAL),
        ("127.0.0.2", "lo", Reach.THIS_MACHINE),
        ("::1", "lo0", Reach.THIS_MACHINE),
    ],
)
def test_who_can_use_an_address(ip: str, interface: str, reach: Reach) -> None:
    assert reach_of(ipaddress.ip_address(ip), interface) is reach


def test_an_address_knows_its_family() -> None:
    assert NetworkAddress("::1", "lo", Reach.THIS_MACHINE).is_ipv6
    assert not NetworkAddress("127.0.0.1", "lo", Reach.THIS_MACHINE).is_ipv6
