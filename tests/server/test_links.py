"""The addresses a party is reached at."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudsync import ServerSettings, SessionServer
from loudsync.address import base_url, join_link
from loudsync.errors import InvalidSetting
from loudsync.server.links import (
    check_public_url,
    names_this_machine,
    reachable_host,
)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_link_carries_any_id(session_id: str) -> None:
    link = urlsplit(join_link("http://party.example", session_id))
    assert (link.scheme, link.netloc, link.path) == ("http", "party.example", "/")
    assert link.fragment == ""
    assert parse_qs(link.query, strict_parsing=True) == {"session": [session_id]}


@pytest.mark.parametrize(
    ("host", "is_secure", "url"),
    [
        ("192.168.1.20", False, "http://192.168.1.20:8080"),
        ("party.example", True, "https://party.example:8080"),
        ("::1", False, "http://[::1]:8080"),
        ("fe80::1%eth0", False, "http://[fe80::1%eth0]:8080"),
    ],
)
def test_base_url(host: str, is_secure: bool, url: str) -> None:
    assert base_url(host, 8080, is_secure=is_secure) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.1.20", "::1", "party.local"])
def test_an_address_of_ones_own_is_kept(host: str) -> None:
    assert reachable_host(host) == host


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_every_interface_is_reached_at_one_that_guests_know(host: str) -> None:
    reached = reachable_host(host)
    assert reached
    assert reached not in {"", "0.0.0.0", "::"}


@pytest.mark.parametrize(
    "url",
    [
        "https://party.example.org",
        "https://party.example.org/",
        "http://192.168.1.20:8080",
        "http://[::1]:8080/",
        "HTTPS://Party.Example",
    ],
)
def test_a_public_url(url: str) -> None:
    assert check_public_url(url) == url.rstrip("/")
    server = SessionServer(settings=ServerSettings(public_url=url))
    assert server.url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        " ",
        "party.example.org",
        "//party.example.org",
        "ws://party.example.org",
        "ftp://party.example.org",
        "https://",
        "https:///party",
        "https://:8080",
        "https://party.example.org/path",
        "https://party.example.org?a=b",
        "https://party.example.org#top",
        "https://party.example.org?",
        "https://party.example.org/#",
        "https://party.example.org:port",
        "https://party.example.org:99999",
        "https://[::1",
        "https://party .example.org",
        "https://party.example.org\n",
        "https://party.example.org/\r\nSet-Cookie: a=b",
        " https://party.example.org",
    ],
)
def test_what_is_no_public_url(url: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        check_public_url(url)
    assert caught.value.name == "public_url"


@pytest.mark.parametrize(
    ("host", "is_this_one"),
    [
        ("localhost", True),
        ("LocalHost", True),
        ("party.localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("192.168.1.5", False),
        ("[2001:db8::1]", False),
        ("localhost.example", False),
        ("party.local", False),
    ],
)
def test_names_of_this_machine(host: str, is_this_one: bool) -> None:
    assert names_this_machine(host) is is_this_one
