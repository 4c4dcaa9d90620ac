import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudsync.client import parse_address
from loudsync.errors import InvalidSetting


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ws://host:8080", "ws://host:8080/ws"),
        ("ws://host:8080/", "ws://host:8080/ws"),
        ("wss://host", "wss://host/ws"),
        ("http://host:8080", "ws://host:8080/ws"),
        ("https://host/", "wss://host/ws"),
        ("HTTPS://Host/", "wss://host/ws"),
        ("host:8080", "ws://host:8080/ws"),
        ("host", "ws://host/ws"),
        ("host:", "ws://host/ws"),
        (" 192.168.1.5:8080 ", "ws://192.168.1.5:8080/ws"),
        ("[::1]:8080", "ws://[::1]:8080/ws"),
        ("ws://host/party/live", "ws://host/party/live"),
        ("ws://host/party/", "ws://host/party/"),
        ("ws://host/?room=1#part", "ws://host/ws?room=1"),
    ],
)
def test_urls(text: str, url: str) -> None:
    assert parse_address(text) == (url, None)


@pytest.mark.parametrize(
    ("text", "url", "session_id"),
    [
        ("http://host:8080/?session=abc123", "ws://host:8080/ws", "abc123"),
        ("https://host?session=abc123", "wss://host/ws", "abc123"),
        ("host:8080/?session=a%20b", "ws://host:8080/ws", "a b"),
        ("http://h/p?a=1&session=x&b=%2F", "ws://h/p?a=1&b=%2F", "x"),
        ("http://h/?session=x&session=y", "ws://h/ws", "x"),
        ("http://h/?session=", "ws://h/ws", None),
        ("http://h/?sessions=x", "ws://h/ws?sessions=x", None),
    ],
)
def test_join_links(text: str, url: str, session_id: str | None) -> None:
    assert parse_address(text) == (url, session_id)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must name a host"),
        ("   ", "must name a host"),
        ("ws://", "must name a host"),
        ("http:///path", "must name a host"),
        ("ftp://host", "must start with ws, wss, http or https, not 'ftp'"),
        ("://host", "must start with"),
        ("host:0", "1 to 65535"),
        ("host:70000", "is not an address"),
        ("host:port", "is not an address"),
        ("ws://[::1", "is not an address"),
        ("ws://ho st", "must not contain white space"),
        ("ws://host\x00", "must not contain white space"),
        ("ws://user:secret@host", "must not carry a user name"),
    ],
)
def test_what_is_no_address(text: str, words: str) -> None:
    with pytest.raises(InvalidSetting, match=words) as caught:
        parse_address(text)
    assert caught.value.name == "url"
    assert "secret" not in str(caught.value)


@given(st.text() | st.text(alphabet="wshtp:/@?#[]&=%.0123456789"))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except InvalidSetting:
        return
    assert address.url.startswith(("ws://", "wss://"))
    assert parse_address(address.url).url == address.url
