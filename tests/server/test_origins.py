"""Whose pages may use the server: the Origin header."""

import msgspec
import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.errors import InvalidSetting
from loudsync.server.origins import OriginRule
from raw_http import exchange

APP = "https://app.example.org"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (APP, "party.example.org"),
        ("https://APP.example.org:443", "party.example.org"),
        ("https://party.example.org", "party.example.org"),  # the public URL
        ("", "party.example.org"),  # no browser
        ("http://192.168.1.5:8080", "192.168.1.5:8080"),
        ("http://[fe80::1]:8080", "[fe80::1]:8080"),
        ("http://localhost:8080", "localhost:8080"),
    ],
)
def test_these_pages_may(origin: str, host: str) -> None:
    assert OriginRule([APP], "https://party.example.org").lets_in(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "party.example.org"),
        ("http://app.example.org", "party.example.org"),  # not https
        ("https://app.example.org.evil.example", "party.example.org"),
        ("null", "party.example.org"),
        ("http://192.168.1.6:8080", "192.168.1.5:8080"),
        # A foreign name that was made to lead here says the same in both.
        ("http://evil.example:8080", "evil.example:8080"),
    ],
)
def test_these_pages_may_not(origin: str, host: str) -> None:
    assert not OriginRule([APP], "https://party.example.org").lets_in(origin, host)
    assert OriginRule([]).lets_in(origin, host), "without a list, everybody may"


@pytest.mark.parametrize("wrong", ["app.example.org", f"{APP}/path", "*", "ftp://x"])
def test_what_is_no_origin_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidSetting, match="allowed_origins"):
        OriginRule([wrong])


async def test_a_foreign_page_gets_403_for_sockets_and_requests_alike() -> None:
    settings = ServerSettings(allowed_origins=(APP,))
    async with SessionServer(host="127.0.0.1", port=0, settings=settings) as server:
        upgrade = (
            "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: {}\r\n\r\n"
        )
        create = (
            "POST /sessions HTTP/1.1\r\nHost: x\r\nOrigin: {}\r\n"
            'Content-Length: 14\r\n\r\n{{"name": "P" }}'
        )
        for request in (upgrade, create):
            answer = await exchange(
                server.port, request.format("https://evil.example").encode()
            )
            assert (answer.status, answer.error_code) == (403, "foreign_origin")
        assert server.sessions() == []
        answer = await exchange(server.port, create.format(APP).encode())
        assert answer.status == 201
        assert msgspec.json.decode(answer.body)["name"] == "P"
