"""The HTTP API, row by row (contract, section 6)."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import msgspec
import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.server.creation import ID_ALPHABET
from loudsync.server.links import reachable_host
from raw_http import exchange
from raw_peer import RawPeer
from stage import join

LISTED = {"id", "name", "hostName", "memberCount", "maxMembers", "createdAt"}
CREATED = {"id", "name", "hostId", "hostToken", "maxMembers", "listed", "joinUrl"}


@asynccontextmanager
async def serving(
    **settings: Any,
) -> AsyncIterator[tuple[SessionServer, aiohttp.ClientSession]]:
    numbers = ServerSettings(max_message_rate=0, **settings)
    async with (
        SessionServer(host="127.0.0.1", port=0, settings=numbers) as server,
        aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http,
    ):
        yield server, http


async def create(http: aiohttp.ClientSession, **body: Any) -> dict[str, Any]:
    async with http.post("/sessions", json={"name": "Party", **body}) as answer:
        assert answer.status == 201
        created = await answer.json()
    assert isinstance(created, dict)
    return created


async def error_of(answer: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    """Check that an answer is the contract's error object; return what is in it."""
    assert answer.status == status
    assert answer.content_type == "application/json"
    body = await answer.json()
    assert body.keys() == {"error"}
    error = body["error"]
    assert {"code", "message"} <= error.keys() <= {"code", "message", "details"}
    assert error["message"]
    assert isinstance(error, dict)
    return error


async def member(server: SessionServer, session_id: str, device: str) -> RawPeer:
    """Join over the socket; WELCOME and MEMBER_LIST are read."""
    peer = await RawPeer.connect(server.port)
    await peer.say(join(device, session_id=session_id))
    assert (await peer.receive())["type"] == "welcome"
    assert (await peer.receive())["type"] == "member_list"
    return peer


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- The page, health -----------------------------------------------------------


async def test_the_page_is_served_with_what_it_loads(
    http: aiohttp.ClientSession,
) -> None:
    async with http.get("/") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        page = await answer.text()
    parts = re.findall(r'(?:src|href)="(/[^"#?]*)"', page)
    assert parts
    for path in parts:
        async with http.get(path) as part:
            assert part.status == 200, path
            assert await part.read()


async def test_the_page_runs_nothing_from_elsewhere(
    http: aiohttp.ClientSession,
) -> None:
    async with http.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/sessions"])
async def test_head_has_the_headers_alone(server: SessionServer, path: str) -> None:
    answer = await exchange(
        server.port, f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    )
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.body == b""


# --- Sessions: created ----------------------------------------------------------


async def test_a_session_needs_only_a_name(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    created = await create(http, name="  Friday Party ")
    assert created.keys() == CREATED
    assert re.fullmatch(f"[{ID_ALPHABET}]{{6}}", created["id"])
    assert created["name"] == "Friday Party"
    assert created["maxMembers"] == 10
    assert created["listed"] is False
    assert len(created["hostToken"]) >= 22, "128 bits in base64"
    assert created["joinUrl"] == (
        f"http://127.0.0.1:{server.port}/?session={created['id']}"
    )
    (session,) = server.sessions()
    assert (session.id, session.host_token) == (created["id"], None)
    (host,) = session.members
    assert (host.id, host.name) == (created["hostId"], "Host")
    assert host.connection_status == "disconnected", "until it joins"


async def test_everything_can_be_asked_for(http: aiohttp.ClientSession) -> None:
    created = await create(
        http, name="Fête", hostName="Zoë", maxMembers=2, id="Fri_day-1", listed=True
    )
    assert (created["id"], created["name"]) == ("Fri_day-1", "Fête")
    assert (created["maxMembers"], created["listed"]) == (2, True)
    async with http.get("/sessions/Fri_day-1") as answer:
        assert (await answer.json())["hostName"] == "Zoë"


async def test_the_token_makes_a_device_the_host(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    created = await create(http, id="abc123")
    peer = await RawPeer.connect(server.port)
    await peer.say(join("device-1", "Zoë", token=created["hostToken"]))
    assert (await peer.receive())["clientId"] == created["hostId"]
    await peer.gone()


async def test_two_sessions_get_two_ids_and_tokens(http: aiohttp.ClientSession) -> None:
    one, other = await create(http), await create(http)
    assert one["id"] != other["id"]
    assert one["hostToken"] != other["hostToken"]


async def test_unknown_fields_are_ignored(http: aiohttp.ClientSession) -> None:
    created = await create(http, color="red")
    assert created.keys() == CREATED


async def test_the_content_type_does_not_matter(http: aiohttp.ClientSession) -> None:
    async with http.post("/sessions", data=b'{"name":"P"}') as answer:
        assert answer.status == 201


async def test_a_taken_id_is_a_conflict(http: aiohttp.ClientSession) -> None:
    await create(http, id="abc123")
    async with http.post("/sessions", json={"name": "P", "id": "abc123"}) as answer:
        error = await error_of(answer, 409)
    assert error["code"] == "session_exists"
    assert "'abc123'" in error["message"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.name"),
        ({"name": ""}, "$.name"),
        ({"name": " \t "}, "$.name"),
        ({"name": "x" * 65}, "$.name"),
        ({"name": "a\nb"}, "$.name"),
        ({"name": "a\u202eb"}, "$.name"),
        ({"name": None}, "$.name"),
        ({"name": 5}, "$.name"),
        ({"name": ["P"]}, "$.name"),
        ({"name": "P", "hostName": ""}, "$.hostName"),
        ({"name": "P", "hostName": "x" * 65}, "$.hostName"),
        ({"name": "P", "hostName": "\x00"}, "$.hostName"),
        ({"name": "P", "hostName": None}, "$.hostName"),
        ({"name": "P", "maxMembers": 0}, "$.maxMembers"),
        ({"name": "P", "maxMembers": -1}, "$.maxMembers"),
        ({"name": "P", "maxMembers": 10_001}, "$.maxMembers"),
        ({"name": "P", "maxMembers": 10**30}, "$.maxMembers"),
        ({"name": "P", "maxMembers": "10"}, "$.maxMembers"),
        ({"name": "P", "maxMembers": 2.5}, "$.maxMembers"),
        ({"name": "P", "maxMembers": True}, "$.maxMembers"),
        ({"name": "P", "maxMembers": None}, "$.maxMembers"),
        ({"name": "P", "id": ""}, "$.id"),
        ({"name": "P", "id": "x" * 65}, "$.id"),
        ({"name": "P", "id": "a b"}, "$.id"),
        ({"name": "P", "id": "abc\n"}, "$.id"),
        ({"name": "P", "id": "a/b"}, "$.id"),
        ({"name": "P", "id": "é"}, "$.id"),
        ({"name": "P", "id": 123456}, "$.id"),
        ({"name": "P", "listed": "yes"}, "$.listed"),
        ({"name": "P", "listed": 1}, "$.listed"),
        ({"name": "P", "listed": None}, "$.listed"),
    ],
)
async def test_a_wrong_field_is_named(
    http: aiohttp.ClientSession, server: SessionServer, body: object, path: str
) -> None:
    async with http.post("/sessions", json=body) as answer:
        error = await error_of(answer, 400)
    assert error["code"] == "invalid_request"
    assert error["details"].keys() == {"path", "reason"}
    assert error["details"]["path"] == path
    assert error["details"]["reason"]
    assert server.sessions() == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x" * 64},
        {"name": " " + "x" * 64 + " "},
        {"name": "P", "hostName": "é" * 64},
        {"name": "P", "maxMembers": 1},
        {"name": "P", "maxMembers": 10_000},
        {"name": "P", "id": "x" * 64},
        {"name": "P", "id": "-"},
    ],
)
async def test_the_other_side_of_each_limit(
    http: aiohttp.ClientSession, body: dict[str, Any]
) -> None:
    async with http.post("/sessions", json=body) as answer:
        assert answer.status == 201


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hello",
        b"null",
        b"[]",
        b'"P"',
        b"5",
        b'{"name":"P"} and more',
        b'{"name":"\xff"}',
        b'{"name":"\\ud800"}',
        b'{"name":"P","deep":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
async def test_a_body_that_is_no_json_object(
    http: aiohttp.ClientSession, server: SessionServer, body: bytes
) -> None:
    async with http.post("/sessions", data=body) as answer:
        error = await error_of(answer, 400)
    assert error["code"] == "invalid_request"
    assert error["details"]["path"] == "$"
    assert error["details"]["reason"]
    assert server.sessions() == []


async def test_a_body_may_have_16_kib(http: aiohttp.ClientSession) -> None:
    body = msgspec.json.encode({"name": "P", "id": "abc123"})
    async with http.post("/sessions", data=body.ljust(16 * 1024)) as answer:
        assert answer.status == 201
    async with http.post("/sessions", data=body.ljust(16 * 1024 + 1)) as answer:
        error = await error_of(answer, 413)
    assert error["code"] == "body_too_large"


async def test_a_body_in_chunks_is_bounded_too(server: SessionServer) -> None:
    head = b"POST /sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    answer = await exchange(server.port, head, chunk, chunk, b"0\r\n\r\n")
    assert (answer.status, answer.error_code) == (413, "body_too_large")


async def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async with serving(head_timeout_s=0.05) as (server, _):
        answer = await exchange(
            server.port,
            b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n",
            b'{"name":',
            to_the_end=False,
        )
    assert (answer.status, answer.error_code) == (408, "request_timeout")


async def test_no_more_sessions_than_there_may_be() -> None:
    async with serving(max_sessions=1) as (server, http):
        created = await create(http)
        async with http.post("/sessions", json={"name": "P"}) as answer:
            error = await error_of(answer, 503)
        assert error["code"] == "too_many_sessions"
        (session,) = server.sessions()
        assert session.id == created["id"]
        await session.close()
        await create(http)


# --- Where guests are sent ------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("party.example.org", "http://party.example.org"),
        ("party.example.org:8080", "http://party.example.org:8080"),
        ("192.168.1.20:8080", "http://192.168.1.20:8080"),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
    ],
)
async def test_the_link_leads_where_the_request_came_to(
    http: aiohttp.ClientSession, host: str, base: str
) -> None:
    async with http.post(
        "/sessions", json={"name": "P", "id": "a"}, headers={"Host": host}
    ) as answer:
        assert (await answer.json())["joinUrl"] == f"{base}/?session=a"


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "party.localhost"]
)
async def test_a_link_is_for_other_devices(
    server: SessionServer, http: aiohttp.ClientSession, host: str
) -> None:
    # Where the host opened the page as this machine's, guests can't.
    async with http.post(
        "/sessions", json={"name": "P", "id": "a"}, headers={"Host": host}
    ) as answer:
        assert (await answer.json())["joinUrl"] == f"{server.url}/?session=a"


async def test_on_every_network_the_link_names_one() -> None:
    async with (
        SessionServer(host="0.0.0.0", port=0) as server,
        aiohttp.ClientSession(f"http://localhost:{server.port}") as http,
    ):
        created = await create(http, id="a")
        assert created["joinUrl"] == f"{server.url}/?session=a"
        assert reachable_host("0.0.0.0") in created["joinUrl"]


async def test_pages_from_elsewhere_may_import_the_client(
    http: aiohttp.ClientSession,
) -> None:
    for path, allowed in (("/loudsync.js", "*"), ("/page.js", None)):
        async with http.get(path, headers={"Origin": "http://app.example"}) as answer:
            assert answer.status == 200
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert answer.content_type == "text/javascript"


# --- GET /sessions/{id}/qr.svg --------------------------------------------------


async def test_the_link_as_a_drawing(http: aiohttp.ClientSession) -> None:
    created = await create(http, name="<Friday> & Party")
    async with http.get(f"/sessions/{created['id']}/qr.svg") as answer:
        assert answer.status == 200
        assert answer.content_type == "image/svg+xml"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        root = ET.fromstring(await answer.text())
    space = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{space}title") == "Join <Friday> & Party"
    assert root.findtext(f"{space}desc") == created["joinUrl"]


async def test_no_drawing_of_what_is_not_there(http: aiohttp.ClientSession) -> None:
    async with http.get("/sessions/nope12/qr.svg") as answer:
        assert (await error_of(answer, 404))["code"] == "session_not_found"


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b'"><script>alert(1)</script>',
        b"good.example/evil",
        b"evil.example@good.example",
        b"evil.example#",
        b"a b",
        b"x:99999999",
        b"caf\xc3\xa9.example",
        b"javascript:alert(1)",
    ],
)
async def test_an_evil_host_header_gets_into_no_link(
    server: SessionServer, host: bytes
) -> None:
    body = b'{"name":"P","id":"a"}'
    answer = await exchange(
        server.port,
        b"POST /sessions HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (host, len(body), body),
    )
    # aiohttp refuses some of them by itself, which is as good.
    assert answer.status in {201, 400}
    if answer.status == 201:
        link = answer.json()["joinUrl"]
        assert link == f"http://127.0.0.1:{server.port}/?session=a"


@pytest.mark.parametrize("url", ["https://party.example", "https://party.example/"])
async def test_a_public_url_goes_before_the_host_header(url: str) -> None:
    async with serving(public_url=url) as (server, http):
        created = await create(http, id="abc123")
        assert created["joinUrl"] == "https://party.example/?session=abc123"
        assert server.sessions()[0].join_url == created["joinUrl"]


# --- Sessions: shown ------------------------------------------------------------


async def test_only_listed_sessions_are_listed_oldest_first(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    async with http.get("/sessions") as answer:
        assert await answer.json() == {"sessions": []}
    await create(http, id="first", name="First", listed=True, maxMembers=3)
    await create(http, id="secret")
    await server.create_session("Third", session_id="third", listed=True)
    async with http.get("/sessions") as answer:
        assert answer.status == 200
        body = await answer.json()
    assert body.keys() == {"sessions"}
    first, third = body["sessions"]
    assert first.keys() == third.keys() == LISTED
    assert isinstance(first.pop("createdAt"), int)
    assert first == {
        "id": "first",
        "name": "First",
        "hostName": "Host",
        "memberCount": 1,
        "maxMembers": 3,
    }
    assert third["id"] == "third"


async def test_a_session_is_shown_to_who_knows_its_id(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    await create(http, id="secret")
    ann = await member(server, "secret", "device-1")
    async with http.get("/sessions/secret") as answer:
        assert answer.status == 200
        shown = await answer.json()
    assert shown.keys() == LISTED
    assert shown["memberCount"] == 2
    await ann.gone()


async def test_a_closed_session_is_shown_no_more(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    session = await server.create_session("P", session_id="abc123", listed=True)
    await session.close()
    async with http.get("/sessions/abc123") as answer:
        assert (await error_of(answer, 404))["code"] == "session_not_found"
    async with http.get("/sessions") as answer:
        assert await answer.json() == {"sessions": []}


# --- The host's requests --------------------------------------------------------


async def test_the_host_closes_its_session(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    created = await create(http, id="abc123")
    ann = await member(server, "abc123", "device-1")
    async with http.delete(
        "/sessions/abc123", headers=bearer(created["hostToken"])
    ) as answer:
        assert answer.status == 204
        assert await answer.read() == b""
    closed = await ann.receive()
    assert closed["type"] == "session_closed"
    assert closed["reason"] == "Host ended the session"
    assert await ann.closed() == 1000
    async with http.delete(
        "/sessions/abc123", headers=bearer(created["hostToken"])
    ) as answer:
        assert (await error_of(answer, 404))["code"] == "session_not_found"


async def test_the_host_kicks_a_member(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    created = await create(http, id="abc123")
    ann = await member(server, "abc123", "device-1")
    bob = await member(server, "abc123", "device-2")
    bobs_id = (await ann.receive())["member"]["id"]
    path = f"/sessions/abc123/members/{bobs_id}"
    headers = bearer(created["hostToken"])
    async with http.delete(path, headers=headers) as answer:
        assert answer.status == 204
    assert (await bob.receive())["type"] == "kicked"
    assert await bob.closed() == 1000
    left = await ann.receive()
    assert (left["memberId"], left["reason"]) == (bobs_id, "kicked")
    async with http.delete(path, headers=headers) as answer:
        assert (await error_of(answer, 404))["code"] == "member_not_found"
    again = await RawPeer.connect(server.port)
    await again.say(join("device-2"))
    assert (await again.receive())["code"] == "unauthorized"
    for peer in (ann, again):
        await peer.gone()


async def test_the_host_can_not_be_kicked(http: aiohttp.ClientSession) -> None:
    created = await create(http, id="abc123")
    async with http.delete(
        f"/sessions/abc123/members/{created['hostId']}",
        headers=bearer(created["hostToken"]),
    ) as answer:
        error = await error_of(answer, 400)
    assert error["code"] == "invalid_request"
    assert error["details"]["path"] == "$.memberId"


@pytest.mark.parametrize("path", ["/sessions/abc123", "/sessions/abc123/members/x"])
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Basic TOKEN",
        b"TOKEN",
        b"Bearer TOKEN x",
        b"Bearer \xff\xfe",
    ],
)
async def test_nobody_else_may(
    http: aiohttp.ClientSession,
    server: SessionServer,
    path: str,
    authorization: bytes | None,
) -> None:
    created = await create(http, id="abc123")
    token = created["hostToken"].encode()
    line = b""
    if authorization is not None:
        line = b"Authorization: %b\r\n" % authorization.replace(b"TOKEN", token)
    answer = await exchange(
        server.port,
        b"DELETE %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path.encode(), line),
    )
    assert (answer.status, answer.error_code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["message"] == (
        "This needs the session's host token as a bearer token"
    ), "the same whatever was wrong"
    assert len(server.sessions()) == 1


async def test_one_sessions_token_is_not_anothers(http: aiohttp.ClientSession) -> None:
    other = await create(http)
    await create(http, id="abc123")
    headers = bearer(other["hostToken"])
    async with http.delete("/sessions/abc123", headers=headers) as answer:
        await error_of(answer, 401)


async def test_a_session_of_this_process_has_no_token(
    http: aiohttp.ClientSession, server: SessionServer
) -> None:
    await server.create_session("P", session_id="abc123")
    async with http.delete("/sessions/abc123", headers=bearer("")) as answer:
        await error_of(answer, 401)


async def test_the_scheme_may_be_in_any_case(http: aiohttp.ClientSession) -> None:
    created = await create(http, id="abc123")
    headers = {"Authorization": f"bEARER  {created['hostToken']} "}
    async with http.delete("/sessions/abc123", headers=headers) as answer:
        assert answer.status == 204


# --- What there is not ----------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", "not_found"),
        ("POST", "/nothing", "not_found"),
        ("GET", "/sessions/", "not_found"),
        ("GET", "/sessions/abc123/members", "not_found"),
        ("GET", "/../etc/passwd", "not_found"),
        ("GET", "/%2e%2e/etc/passwd", "not_found"),
        ("GET", "/sessions/nobody", "session_not_found"),
        ("GET", "/sessions/%00%ff", "session_not_found"),
        ("DELETE", "/sessions/nobody", "session_not_found"),
        ("DELETE", "/sessions/nobody/members/client-1", "session_not_found"),
    ],
)
async def test_what_is_not_there(
    server: SessionServer, method: str, path: str, code: str
) -> None:
    answer = await exchange(
        server.port, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    )
    assert (answer.status, answer.error_code) == (404, code)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", {"GET", "HEAD"}),
        ("PUT", "/healthz", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("DELETE", "/sessions", {"GET", "HEAD", "POST"}),
        ("PATCH", "/sessions/abc123", {"GET", "HEAD", "DELETE"}),
        ("GET", "/sessions/abc123/members/client-1", {"DELETE"}),
        ("OPTIONS", "/sessions", {"GET", "HEAD", "POST"}),
    ],
)
async def test_a_method_that_is_not_there(
    http: aiohttp.ClientSession, method: str, path: str, allowed: set[str]
) -> None:
    async with http.request(method, path) as answer:
        error = await error_of(answer, 405)
        assert set(answer.headers["Allow"].split(",")) == allowed
    assert error["code"] == "method_not_allowed"
