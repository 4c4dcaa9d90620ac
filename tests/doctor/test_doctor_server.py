"""The way to a party, with real servers that are right or wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest
from aiohttp import web

import loudsync
from doctor_peers import (
    as_loudsync,
    http_server,
    levels,
    socket_of_version,
    tcp_server,
    the,
)
from loudsync import HostedSession
from loudsync.address import parse_address
from loudsync.doctor import Finding, Level, examine_server
from loudsync.server.tls import load_tls

DATA = Path(__file__).parent / "data"
KEY = DATA / "localhost-key.pem"

SHORT_S = 0.5
"""How long who never answers is waited for."""


@pytest.fixture
async def party() -> AsyncIterator[HostedSession]:
    async with loudsync.host("Party", host="127.0.0.1", port=0) as party:
        yield party


async def examine(link: str, timeout_s: float = 20) -> list[Finding]:
    address = parse_address(link)
    return [found async for found in examine_server(address, timeout_s=timeout_s)]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


# --- All is well ---------------------------------------------------------------


async def test_a_party_that_can_be_joined(party: HostedSession) -> None:
    findings = await examine(party.join_url)
    assert [f.check for f in findings] == [
        "loopback",
        "reach",
        "http",
        "websocket",
        "version",
        "session",
        "clock",
    ]
    assert levels(findings) == {
        "loopback": Level.NOTE,
        "reach": Level.OK,
        "http": Level.OK,
        "websocket": Level.OK,
        "version": Level.OK,
        "session": Level.OK,
        "clock": Level.OK,
    }
    assert '"Party" is open: 1 of 10' in the(findings, "session").text


async def test_nobody_in_the_party_notices() -> None:
    async with (
        loudsync.host("Party", host="127.0.0.1", port=0) as party,
        party.events() as events,
    ):
        await examine(party.join_url)
        await party.close("over")
        assert [type(event).__name__ async for event in events] == ["SessionEnded"]


async def test_an_address_without_a_party_is_examined_as_well(
    party: HostedSession,
) -> None:
    place = party.join_url.removeprefix("http://").partition("/")[0]
    findings = await examine(place)
    assert "session" not in levels(findings)
    assert Level.PROBLEM not in levels(findings).values()


# --- The party -----------------------------------------------------------------


async def test_a_wrong_code(party: HostedSession) -> None:
    findings = await examine(party.join_url.replace(party.id, "nobody"))
    found = the(findings, "session")
    assert found.level is Level.PROBLEM
    assert '"nobody"' in found.text
    assert "Check the code" in found.advice
    assert the(findings, "websocket").level is Level.OK


async def test_a_full_party() -> None:
    async with loudsync.host("Full", host="127.0.0.1", port=0, max_members=1) as party:
        found = the(await examine(party.join_url), "session")
    assert found.level is Level.PROBLEM
    assert "1 of 1 seats" in found.text
    assert "--max-members" in found.advice


# --- The way there -------------------------------------------------------------


async def test_a_closed_port_ends_the_way() -> None:
    port = closed_port()
    findings = await examine(f"http://127.0.0.1:{port}/?session=abc")
    assert [f.check for f in findings] == ["loopback", "reach"]
    found = findings[-1]
    assert found.level is Level.PROBLEM
    assert f"Nothing listens at port {port} of this machine" in found.text
    assert f"--port {port}" in found.advice


async def test_a_name_that_no_host_can_have() -> None:
    # A label has 63 characters at most: no resolver is asked.
    findings = await examine(f"http://{'x' * 64}.invalid")
    assert [f.check for f in findings] == ["name"]
    assert findings[0].level is Level.PROBLEM


async def test_who_accepts_and_never_answers() -> None:
    async with tcp_server(b"") as port:
        findings = await examine(f"http://127.0.0.1:{port}", SHORT_S)
        assert findings[-1].check == "http"
        assert findings[-1].level is Level.PROBLEM
        assert "nothing answers within 0.5 s" in findings[-1].text

        findings = await examine(f"https://127.0.0.1:{port}", SHORT_S)
        assert findings[-1].level is Level.PROBLEM
        assert "nothing answers within 0.5 s" in findings[-1].text


# --- What answers --------------------------------------------------------------


async def test_a_program_that_speaks_no_http() -> None:
    async with tcp_server(b"SSH-2.0-OpenSSH_9.6\r\n") as port:
        findings = await examine(f"http://127.0.0.1:{port}")
    assert findings[-1].check == "http"
    assert findings[-1].level is Level.PROBLEM
    assert "Another program than LoudSync" in findings[-1].text


async def test_a_web_server_that_is_not_loudsync() -> None:
    async def healthy(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async with http_server(healthy) as port:
        findings = await examine(f"http://127.0.0.1:{port}")
    assert findings[-1].check == "http"
    assert findings[-1].level is Level.PROBLEM
    assert "Another program than LoudSync" in findings[-1].text


async def test_a_server_that_sends_people_on() -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        location = f"https://party.example.org{request.path}"
        return web.Response(status=301, headers={"Location": location})

    async with http_server(redirect) as port:
        found = the(await examine(f"http://127.0.0.1:{port}"), "http")
    assert found.level is Level.PROBLEM
    assert "https://party.example.org;" in found.text


async def test_a_proxy_with_nothing_behind_it() -> None:
    async def unavailable(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html>Bad Gateway")

    async with http_server(unavailable) as port:
        found = the(await examine(f"http://127.0.0.1:{port}"), "http")
    assert found.level is Level.PROBLEM
    assert "behind it doesn't" in found.text


async def test_a_server_that_shuts_down() -> None:
    async def going(_request: web.Request) -> web.StreamResponse:
        error = {"code": "shutting_down", "message": "The server is shutting down"}
        return web.json_response({"error": error}, status=503)

    async with http_server(going) as port:
        found = the(await examine(f"http://127.0.0.1:{port}"), "http")
    assert found.level is Level.PROBLEM
    assert "shutting down" in found.text


async def test_a_full_server() -> None:
    settings = loudsync.ServerSettings(max_connections=1)
    async with loudsync.host(
        "Party", host="127.0.0.1", port=0, settings=settings
    ) as party:
        place = party.join_url.removeprefix("http://").partition("/")[0]
        host, _, port = place.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        try:
            found = the(await examine(place), "http")
        finally:
            writer.transport.abort()
    assert found.level is Level.PROBLEM
    assert "all the connections it can have" in found.text


async def test_a_proxy_that_passes_no_websocket_on() -> None:
    async with http_server(as_loudsync()) as port:
        findings = await examine(f"http://127.0.0.1:{port}")
    assert the(findings, "http").level is Level.OK
    found = the(findings, "websocket")
    assert found.level is Level.PROBLEM
    assert "HTTP 400" in found.text
    assert "proxy_set_header Upgrade $http_upgrade;" in found.advice


async def test_a_websocket_behind_a_path_needs_no_root() -> None:
    async def below(request: web.Request) -> web.StreamResponse:
        if request.path == "/party/socket":
            return await socket_of_version("1.0")(request)
        return web.Response(status=404)

    async with http_server(below) as port:
        findings = await examine(f"ws://127.0.0.1:{port}/party/socket?session=abc")
        assert levels(findings) == {
            "loopback": Level.NOTE,
            "reach": Level.OK,
            "websocket": Level.OK,
            "version": Level.OK,
            "clock": Level.OK,
        }
        findings = await examine(f"ws://127.0.0.1:{port}/elsewhere")
        assert the(findings, "websocket").level is Level.PROBLEM


@pytest.mark.parametrize(
    ("supported", "level", "side"),
    [
        (("1.4",), Level.OK, ""),
        (("2.0", "1.4"), Level.OK, ""),
        (("2.0",), Level.PROBLEM, "Update loudsync here"),
        (("0.9",), Level.PROBLEM, "Update loudsync there"),
        ((), Level.NOTE, "update loudsync there"),
        (("new",), Level.NOTE, "update loudsync there"),
    ],
)
async def test_the_version_of_the_other_side(
    supported: tuple[str, ...], level: Level, side: str
) -> None:
    async with http_server(as_loudsync(socket_of_version(*supported))) as port:
        findings = await examine(f"http://127.0.0.1:{port}")
    assert the(findings, "websocket").level is Level.OK
    found = the(findings, "version")
    assert found.level is level
    assert side in found.advice


@pytest.mark.parametrize(
    ("ahead_s", "level"), [(0, Level.OK), (180, Level.NOTE), (-7200, Level.NOTE)]
)
async def test_the_clock_of_the_other_side(ahead_s: float, level: Level) -> None:
    socket = socket_of_version("1.0")
    date = formatdate(time() + ahead_s, usegmt=True)
    async with http_server(as_loudsync(socket, date=date)) as port:
        found = the(await examine(f"http://127.0.0.1:{port}"), "clock")
    assert found.level is level
    if ahead_s > 0:
        assert "the server's is 3 minutes ahead" in found.text
    elif ahead_s < 0:
        assert "this machine's is 2 hours ahead" in found.text


# --- TLS -----------------------------------------------------------------------


async def test_a_certificate_that_nobody_vouches_for() -> None:
    tls = load_tls(DATA / "future.pem", KEY)
    async with loudsync.host("Party", host="127.0.0.1", port=0, tls=tls) as party:
        findings = await examine(party.join_url)
    assert [f.check for f in findings] == ["loopback", "reach", "tls"]
    assert findings[-1].level is Level.PROBLEM


async def test_https_where_http_is_spoken() -> None:
    # A ClientHello is for a plain server a request that doesn't come to its end.
    hasty = loudsync.ServerSettings(head_timeout_s=SHORT_S)
    async with loudsync.host(
        "Party", host="127.0.0.1", port=0, settings=hasty
    ) as party:
        findings = await examine(party.join_url.replace("http://", "https://"))
    assert findings[-1].check == "tls"
    assert findings[-1].level is Level.PROBLEM
    assert party.join_url in findings[-1].advice


async def test_http_where_https_is_spoken() -> None:
    tls = load_tls(DATA / "orphan.pem", KEY)
    async with loudsync.host("Party", host="127.0.0.1", port=0, tls=tls) as party:
        findings = await examine(party.join_url.replace("https://", "http://"))
        assert findings[-1].check == "tls"
        assert findings[-1].level is Level.PROBLEM
        assert party.join_url in findings[-1].advice


async def test_http_where_a_web_server_asks_for_https() -> None:
    """What nginx does: an answer in plain HTTP, on a port with TLS."""
    async with http_server(
        as_loudsync(), tls=load_tls(DATA / "orphan.pem", KEY)
    ) as port:
        findings = await examine(f"http://127.0.0.1:{port}")
    assert findings[-1].check == "tls"
    assert f"https://127.0.0.1:{port}" in findings[-1].advice


async def test_leaving_early_leaves_nothing_behind(party: HostedSession) -> None:
    before = asyncio.all_tasks()
    findings = examine_server(parse_address(party.join_url))
    await anext(findings)
    await findings.aclose()
    assert asyncio.all_tasks() == before
