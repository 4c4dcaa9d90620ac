"""Guessing of session ids, per connection and per address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.core import NS_PER_S
from loudsync.server.guesses import Guesses
from raw_http import Answer, exchange
from raw_peer import RawPeer
from stage import FlowClock, join

MAY_BE_WRONG = 15


@asynccontextmanager
async def served(
    **settings: Any,
) -> AsyncIterator[tuple[SessionServer, FlowClock]]:
    clock = FlowClock()
    async with SessionServer(
        host="127.0.0.1",
        port=0,
        settings=ServerSettings(
            max_message_rate=0, max_guesses_per_address=MAY_BE_WRONG, **settings
        ),
        clock=clock,
    ) as server:
        yield server, clock


async def answer(port: int, **request: Any) -> dict[str, Any]:
    """Join on a connection of its own; the first message that comes back."""
    peer = await RawPeer.connect(port)
    await peer.say(join(**request))
    message = await peer.receive()
    await peer.gone()
    return message


async def use_up(port: int) -> None:
    """Be wrong as often as one address may."""
    for number in range(MAY_BE_WRONG):
        refusal = await answer(port, device="d", session_id=f"wrong{number}")
        assert refusal["code"] == "session_not_found"


async def shown(port: int, session_id: str) -> Answer:
    return await exchange(port, f"GET /sessions/{session_id} HTTP/1.0\r\n\r\n".encode())


async def test_a_connection_ends_with_its_tenth_guess() -> None:
    async with served() as (server, _):
        peer = await RawPeer.connect(server.port)
        for number in range(10):
            await peer.say(join("d", session_id=f"wrong{number}"))
        assert await peer.closed() == 1008
        assert [m["code"] for m in peer.unread()] == ["session_not_found"] * 10
        await peer.gone()


async def test_an_address_that_guesses_learns_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as (server, _):
        await server.create_session("Party", session_id="abc123")
        await use_up(server.port)
        for session_id in ("abc123", "wrong"):
            refusal = await answer(server.port, device="d", session_id=session_id)
            assert refusal["code"] == "unauthorized", "right or wrong, the same"
            assert "minute" in refusal["message"]
            over_http = await shown(server.port, session_id)
            assert (over_http.status, over_http.error_code) == (429, "too_many_guesses")
            assert over_http.headers["retry-after"] == "60"
        said = [r for r in caplog.records if r.getMessage() == "guessing"]
        assert len(said) == 1


async def test_requests_and_joins_count_together() -> None:
    async with served() as (server, _):
        for number in range(MAY_BE_WRONG):
            assert (await shown(server.port, f"wrong{number}")).status == 404
        assert (await answer(server.port, device="d"))["code"] == "unauthorized"


async def test_who_has_a_seat_or_the_token_is_let_in_all_the_same() -> None:
    async with served() as (server, _):
        session = await server.create_session(
            "Party", session_id="abc123", remote_host=True
        )
        ann = await RawPeer.connect(server.port)
        await ann.say(join("device-1"))
        mine = (await ann.receive())["clientId"]
        await use_up(server.port)
        await ann.hang_up(1006)
        assert (await answer(server.port, device="device-1"))["clientId"] == mine
        host = await answer(server.port, device="host", token=session.host_token)
        assert host["type"] == "welcome"
        bearer = f"Authorization: Bearer {session.host_token}\r\n"
        closing = await exchange(
            server.port,
            f"DELETE /sessions/abc123 HTTP/1.1\r\nHost: x\r\n{bearer}\r\n".encode(),
        )
        assert closing.status == 204
        await ann.gone()


async def test_after_a_while_it_may_ask_again() -> None:
    async with served() as (server, clock):
        await server.create_session("Party", session_id="abc123")
        await use_up(server.port)
        clock.advance(60 / MAY_BE_WRONG + 0.1)
        assert (await answer(server.port, device="d"))["type"] == "welcome"


async def test_behind_a_trusted_proxy_each_guest_has_its_own_count() -> None:
    async with served(trusted_proxies=("127.0.0.1",)) as (server, _):
        await server.create_session("Party", session_id="abc123")

        async def shown_to(guest: str, session_id: str) -> int:
            request = (
                f"GET /sessions/{session_id} HTTP/1.0\r\n"
                f"X-Forwarded-For: {guest}\r\n\r\n"
            )
            return (await exchange(server.port, request.encode())).status

        for number in range(MAY_BE_WRONG):
            assert await shown_to("192.0.2.7", f"wrong{number}") == 404
        assert await shown_to("192.0.2.7", "abc123") == 429
        assert await shown_to("192.0.2.8", "abc123") == 200


def test_the_oldest_guesser_makes_room_for_the_newest() -> None:
    guesses = Guesses(1)
    for number in range(10_001):
        guesses.wrong(f"address-{number}", NS_PER_S)
    assert not guesses.are_used_up("address-0", NS_PER_S)
    assert guesses.are_used_up("address-1", NS_PER_S)
    assert guesses.are_used_up("address-10000", NS_PER_S)


def test_zero_is_no_limit() -> None:
    guesses = Guesses(0)
    for _ in range(1000):
        guesses.wrong("somewhere", NS_PER_S)
    assert not guesses.are_used_up("somewhere", NS_PER_S)
