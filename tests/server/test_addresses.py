"""Whom limits per address are for."""

import pytest

from loudsync.errors import InvalidSetting
from loudsync.server.addresses import ProxyTrust, counted_address


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_a_household_is_one_address(address: str, counted: str) -> None:
    assert counted_address(address) == counted


@pytest.mark.parametrize(
    ("proxies", "peer", "header", "origin"),
    [
        ([], "10.0.0.1", "192.0.2.7", "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", "192.0.2.7", "192.0.2.7"),
        (["10.0.0.0/8"], "10.0.0.1", "", "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.9, 192.0.2.7", "192.0.2.7"),
        (["10.0.0.0/8"], "10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
        (["10.0.0.0/8"], "192.0.2.8", "192.0.2.7", "192.0.2.8"),
        (["::1"], "::1", "2001:db8::1", "2001:db8::1"),
        (["::1"], "::1", "nonsense", "nonsense"),
    ],
)
def test_only_a_trusted_proxy_speaks_for_others(
    proxies: list[str], peer: str, header: str, origin: str
) -> None:
    assert ProxyTrust(proxies).origin(peer, header) == origin


def test_a_proxy_is_an_address_or_a_network() -> None:
    with pytest.raises(InvalidSetting, match="trusted_proxies"):
        ProxyTrust(["proxy.example.org"])
