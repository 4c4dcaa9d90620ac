"""How soon a server that has just been started welcomes its first member."""

import socket
import time
from typing import Final

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from bench.errors import RunFailed
from bench.servers import Dialect, Running

TIMEOUT_S: Final = 10

JOIN: Final = (
    '{"type":"join","timestamp":1706889600000,"sessionId":"p0",'
    '"deviceInfo":{"id":"device-0","name":"Member","type":"client"}}'
)


def startup(server: Running, dialect: Dialect) -> dict[str, float]:
    """Join, and return the figures of the ``start-up`` workload.

    Raises:
        RunFailed: The server did not welcome its first member.
    """
    try:
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as raw:
            welcome_s = _welcomed_s(raw, server.port, dialect) - server.spawned_s
    except (OSError, WebSocketException) as fault:
        raise RunFailed(f"the first member could not join: {fault!r}") from fault
    return {"welcome_s": welcome_s, "empty_kb": server.empty_kb}


def _welcomed_s(raw: socket.socket, port: int, dialect: Dialect) -> float:
    """Join; return when the WELCOME came."""
    path = "ws" if dialect == "plain" else "socket.io/?EIO=4&transport=websocket"
    with connect(
        f"ws://127.0.0.1:{port}/{path}", sock=raw, compression=None, close_timeout=1
    ) as joining:
        if dialect == "plain":
            joining.send(JOIN)
        else:
            _expect(joining, "0{")  # engine.io: open
            joining.send("40")
            _expect(joining, "40")  # socket.io: connected
            joining.send(f'42["message",{JOIN}]')
        _expect(joining, '"welcome"')
        return time.perf_counter()


def _expect(joining: ClientConnection, part: str) -> None:
    message = joining.recv(TIMEOUT_S, decode=True)
    if part not in message:
        raise RunFailed(f"the server answered the first member: {message}")
