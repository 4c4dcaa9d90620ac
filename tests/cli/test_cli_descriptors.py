"""Every descriptor in use: a clear log line, HTTP 503, and recovery."""

import base64
import os
import socket
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import msgspec
import pytest

from cli_process import TIMEOUT_S, loudsync_behind

FILE_LIMIT = 160
KEPT_BACK = 64
CROWD = 250

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no limit on open files there"
)


def connect(port: int) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    key = base64.b64encode(os.urandom(16)).decode()
    peer.sendall(
        f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    return peer


def status_of(peer: socket.socket) -> int:
    """The status that a connection was answered with; 0 where it was cut off."""
    try:
        return int(peer.recv(4096).split(b" ")[1])
    except (OSError, IndexError):
        return 0


def health(url: str) -> int:
    """The status of the health check; 0 where it was cut off."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            error = msgspec.json.decode(refusal.read())["error"]
            assert error["code"] == "too_many_connections"
            return refusal.code
    except OSError:
        return 0


def test_a_server_without_descriptors_says_so_and_recovers() -> None:
    local = ("--host", "127.0.0.1", "--port", "0", "--json")
    with loudsync_behind(_limited(), "serve", *local) as server:
        url = str(server.event("listening")["url"])
        port = urlsplit(url).port or 0
        peers = [connect(port) for _ in range(CROWD)]
        statuses = [status_of(peer) for peer in peers]
        inside = statuses.count(101)
        assert FILE_LIMIT - KEPT_BACK - 40 < inside < FILE_LIMIT - KEPT_BACK
        assert set(statuses) == {101, 503, 0}
        for peer, status in zip(peers, statuses, strict=True):
            if status != 101:
                peer.close()
        while (status := health(url)) == 0:  # until it hears that those are gone
            pass
        assert status == 503
        assert server.errors.count("connections_full") == 1
        assert f"file_limit={FILE_LIMIT}" in server.errors
        guest = peers[0]  # who is in notices nothing
        guest.sendall(_PING)
        assert b"pong" in guest.recv(4096)
        for peer in peers[1:]:
            peer.close()
        while health(url) != 200:  # the server hears of their end by and by
            pass
        again = connect(port)
        assert status_of(again) == 101
        guest.sendall(_PING)
        assert b"pong" in guest.recv(4096)
        for peer in (guest, again):
            peer.close()
        assert "Traceback" not in server.errors


def _limited() -> tuple[str, ...]:
    """Start a program under the file limit; it can't raise it again."""
    set_limit = (
        "import os, resource, sys;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({FILE_LIMIT}, {FILE_LIMIT}));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return (sys.executable, "-c", set_limit)


_PING = bytes([0x81, 0x80 | 29, 0, 0, 0, 0]) + b'{"type":"ping","timestamp":7}'
