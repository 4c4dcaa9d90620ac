"""wss and https on the one port, with a certificate made for these tests.

``data/localhost-cert.pem`` and its key are self-signed and hold for a hundred
years; they are for 127.0.0.1 and protect nothing.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect

from loudsync import ServerSettings, SessionServer
from loudsync import join as join_party
from loudsync.errors import ConnectionFailed, StartFailed
from loudsync.server.tls import load_tls
from raw_peer import PATIENCE_S, until
from stage import join

DATA = Path(__file__).parent / "data"
CERTIFICATE = DATA / "localhost-cert.pem"
KEY = DATA / "localhost-key.pem"

SERVER_REFUSED = "PROTOCOL_VERSION|EOF|reset"
"""And not ``NO_PROTOCOLS_AVAILABLE``, which would be the client's own refusal."""


@pytest.fixture
async def server() -> AsyncIterator[SessionServer]:
    tls = load_tls(CERTIFICATE, KEY)
    settings = ServerSettings(shutdown_grace_s=0.5)
    async with SessionServer(
        host="127.0.0.1", port=0, settings=settings, tls=tls
    ) as server:
        yield server


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATE)


async def test_https(server: SessionServer) -> None:
    assert server.is_secure
    assert server.url == f"https://127.0.0.1:{server.port}"
    async with (
        aiohttp.ClientSession(server.url) as http,
        http.post("/sessions", json={"name": "P", "id": "abc123"}, ssl=trusting()) as a,
    ):
        assert a.status == 201
        assert (await a.json())["joinUrl"] == f"{server.url}/?session=abc123"


async def test_our_own_client_over_wss(server: SessionServer) -> None:
    session = await server.create_session("Party")
    url = f"{server.url}/?session={session.id}"
    async with join_party(url, name="Ann", tls=trusting()) as party:
        assert party.session.name == "Party"
    with pytest.raises(ConnectionFailed, match="no trusted TLS connection"):
        await join_party(url, name="Bob").__aenter__()


async def test_wss(server: SessionServer) -> None:
    session = await server.create_session("Party", session_id="abc123")
    assert session.join_url == f"{server.url}/?session=abc123"
    url = f"wss://127.0.0.1:{server.port}/ws"
    async with connect(url, ssl=trusting()) as peer:
        await peer.send(json.dumps({"timestamp": 1, **join("device-1")}))
        assert json.loads(await peer.recv())["type"] == "welcome"
        assert json.loads(await peer.recv())["type"] == "member_list"
        await peer.send(json.dumps({"type": "leave", "timestamp": 1}))
        await asyncio.wait_for(peer.wait_closed(), PATIENCE_S)
        assert peer.close_code == 1000
    await until(lambda: server.connection_count == 0)


async def test_members_hear_the_end_over_tls_too(server: SessionServer) -> None:
    await server.create_session("Party", session_id="abc123")
    url = f"wss://127.0.0.1:{server.port}/ws"
    async with connect(url, ssl=trusting()) as peer:
        await peer.send(json.dumps({"timestamp": 1, **join("device-1")}))
        await peer.recv()
        await peer.recv()
        await server.stop()
        assert json.loads(await peer.recv())["type"] == "session_closed"
        await asyncio.wait_for(peer.wait_closed(), PATIENCE_S)
        assert peer.close_code == 1000


async def test_plain_http_gets_nothing_on_a_secure_port(
    server: SessionServer, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    except ConnectionResetError:
        answer = b""
    assert b"HTTP/" not in answer
    writer.transport.abort()
    async with (
        aiohttp.ClientSession(server.url) as http,
        http.get("/healthz", ssl=trusting()) as health,
    ):
        assert health.status == 200
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("version", "is_served"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
async def test_tls_1_2_or_newer(
    server: SessionServer, version: ssl.TLSVersion, is_served: bool
) -> None:
    context = trusting()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or the client itself refuses 1.1
    context.minimum_version = context.maximum_version = version

    def shake_hands() -> str | None:
        with (
            socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            return secure.version()

    if is_served:
        assert await asyncio.to_thread(shake_hands) == version.name.replace("_", ".")
    else:
        with pytest.raises((ssl.SSLError, ConnectionError), match=SERVER_REFUSED):
            await asyncio.to_thread(shake_hands)


@pytest.mark.parametrize(
    ("certificate", "key", "what"),
    [
        (
            "absent.pem",
            "localhost-key.pem",
            "the TLS certificate .*absent.pem: No such",
        ),
        ("localhost-cert.pem", "absent.pem", "the TLS key .*absent.pem: No such"),
        (".", "localhost-key.pem", "Is a directory"),
        ("localhost-key.pem", "localhost-key.pem", "can't be used"),
        ("localhost-cert.pem", "localhost-cert.pem", "can't be used"),
        ("localhost-cert.pem", "other-key.pem", "KEY_VALUES_MISMATCH"),
        ("localhost-cert.pem", "encrypted-key.pem", "unencrypted private key"),
        ("junk.pem", "localhost-key.pem", "can't be used"),
        ("empty.pem", "empty.pem", "can't be used"),
    ],
)
def test_a_wrong_file_is_one_clear_line(
    tmp_path: Path, certificate: str, key: str, what: str
) -> None:
    for path in DATA.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "junk.pem").write_bytes(b"\x00junk\xff")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(StartFailed, match=what) as caught:
        load_tls(tmp_path / certificate, tmp_path / key)
    assert "\n" not in str(caught.value)


async def test_a_handshake_that_never_comes_is_cut_like_a_slow_head() -> None:
    tls = load_tls(CERTIFICATE, KEY)
    settings = ServerSettings(head_timeout_s=0.1)
    async with SessionServer(
        host="127.0.0.1", port=0, settings=settings, tls=tls
    ) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        writer.close()
