"""An echo on the server's WebSocket class, for tests of the framing alone.

``python -m loudsync.testing.echo --port 9001`` says back every message that
comes to it. Everything from the front door to ``WebSocket`` is the server's
own; nothing of LoudSync's protocol is in it.
"""

import argparse
import asyncio
from types import TracebackType
from typing import Final, Self

from loudsync._systems import new_event_loop
from loudsync.server.frames import binary_frame, text_frame
from loudsync.server.front_door import FrontDoor
from loudsync.server.listener import Listener
from loudsync.server.refusals import bad_request
from loudsync.server.settings import ServerSettings
from loudsync.server.visitors import Visit
from loudsync.server.websocket import Ending, WebSocket

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""The largest of Autobahn's messages."""

_SETTINGS: Final = ServerSettings(
    max_message_bytes=MAX_MESSAGE_BYTES, max_outgoing_bytes=4 * MAX_MESSAGE_BYTES
)


class EchoServer:
    """Listens on loopback and says everything back. An async context manager.

    Args:
        port: Where to listen; 0 takes a free one, ``port`` tells which.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: The port can't be used.
        """
        door = FrontDoor(_SETTINGS, _echo, _NoHttp)
        self._listener = Listener(door)
        await self._listener.start("127.0.0.1", self.port)
        self.port = self._listener.port
        self._door = door
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drop every connection, and stop."""
        if self._listener is not None:
            self._listener.close()
            self._door.visitors.abort_all()
            await self._listener.wait_closed()
            await self._door.visitors.emptied.wait()


class _Echo:
    """What one WebSocket hears, it says."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    def text_received(self, text: str) -> None:
        self._socket.send(text_frame(text.encode()))

    def binary_received(self, data: bytes) -> None:
        self._socket.send(binary_frame(data))

    def pong_received(self, payload: bytes) -> None:
        """Nobody asked for it."""

    def overhead_received(self) -> None:
        """Nothing is counted here."""

    def ended(self, ending: Ending, code: int) -> None:
        """Nothing is kept."""


def _echo(socket: WebSocket, _visit: Visit) -> None:
    socket.handle_with(_Echo(socket))


class _NoHttp(asyncio.Protocol):
    """Refuses what asks for no WebSocket."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse and close."""
        if self._visit.transport is not None:
            self._visit.transport.write(bad_request("Only WebSockets here").as_bytes())
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Count it out."""
        self._visit.end()


async def _serve(port: int) -> None:
    async with EchoServer(port) as echo:
        print(f"Echoing at ws://127.0.0.1:{echo.port}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


def main() -> None:
    """Run the echo server until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m loudsync.testing.echo", description="A WebSocket echo server."
    )
    parser.add_argument(
        "--port", type=int, default=9001, help="where to listen; 0 takes a free port"
    )
    port = parser.parse_args().port
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        try:
            runner.run(_serve(port))
        except KeyboardInterrupt:
            parser.exit()
        except OSError as fault:
            parser.exit(1, f"{parser.prog}: port {port}: {fault.strerror}\n")


if __name__ == "__main__":
    main()
