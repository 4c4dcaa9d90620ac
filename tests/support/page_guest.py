"""A guest without a browser: raw messages over a WebSocket."""

import asyncio
import json
import secrets
import time
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 15


class Guest:
    """One device with one connection.

    Attributes:
        received: Every message so far, oldest first.
    """

    def __init__(self, port: int) -> None:
        self._url = f"ws://127.0.0.1:{port}/ws"
        self._socket: ClientConnection | None = None
        self.received: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        self._socket = await connect(self._url)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._open_socket.close()

    @property
    def _open_socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    async def send(self, kind: str, **fields: object) -> None:
        message = {"type": kind, "timestamp": time.time_ns() // 1_000_000, **fields}
        await self._open_socket.send(json.dumps(message))

    async def join(self, code: str, name: str, **fields: object) -> None:
        device = {"id": secrets.token_hex(16), "name": name, "type": "client"}
        device.update(fields.pop("device", {}))  # type: ignore[call-overload]
        await self.send("join", sessionId=code, deviceInfo=device, **fields)
        await self.next("member_list")

    async def next(self, kind: str) -> dict[str, Any]:
        """Read on until a message of this type comes."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message: dict[str, Any] = json.loads(await self._open_socket.recv())
                self.received.append(message)
                if message["type"] == kind:
                    return message

    async def next_id(self, kind: str) -> str:
        """Read on until a message about a member comes; return the member's id."""
        member_id: str = (await self.next(kind))["member"]["id"]
        return member_id

    async def until_status(self, name: str, status: str) -> None:
        """Wait until somebody is shown with a connection status."""
        while (await self.members())[name]["connectionStatus"] != status:
            await self.next("member_list")

    async def members(self) -> dict[str, dict[str, Any]]:
        """Ask who is there; the answer by name."""
        await self.send("member_list")
        members = (await self.next("member_list"))["members"]
        return {member["name"]: member for member in members}

    def types(self) -> set[str]:
        return {message["type"] for message in self.received}

    def vanish(self) -> None:
        """Lose the connection without a word."""
        self._open_socket.transport.abort()
