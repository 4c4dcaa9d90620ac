"""A network between page and server that a test can break."""

import asyncio
from types import TracebackType
from typing import Self, cast


class _End(asyncio.Protocol):
    """One end of a forwarded connection; the other end gets what comes here."""

    def __init__(self, ends: "set[_End]", *, is_servers: bool) -> None:
        self.is_servers = is_servers
        self._ends = ends
        self._early = bytearray()
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self.is_frozen = False
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A stream's transport, though uvloop's is no subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self._ends.add(self)

    def tie(self, other: "_End") -> None:
        self.other, other.other = other, self
        self.data_received(bytes(self._early))

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early += data
        elif not self.is_frozen and self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ends.discard(self)
        self.lost.set()
        if not self.is_frozen and self.other is not None:
            self.other.close()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Relay:
    """Forwards a port of its own to the server's.

    Attributes:
        port: Where the page reaches the server through it; stays the same.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._ends: set[_End] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Let connections through (again)."""
        self._listener = await asyncio.get_running_loop().create_server(
            self._accept, "127.0.0.1", self.port
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break every connection, and let no new one through."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await asyncio.gather(*self._dialling)
        ends = list(self._ends)
        for end in ends:
            end.abort()
        for end in ends:
            await end.lost.wait()

    def freeze(self, *, both_ways: bool) -> None:
        """Swallow what the present connections carry; new ones work.

        Args:
            both_ways: Else only what the server sends is swallowed.
        """
        for end in self._ends:
            end.is_frozen = both_ways or end.is_servers

    def _accept(self) -> _End:
        end = _End(self._ends, is_servers=False)
        task = asyncio.create_task(self._dial(end))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)
        return end

    async def _dial(self, page_end: _End) -> None:
        _, server_end = await asyncio.get_running_loop().create_connection(
            lambda: _End(self._ends, is_servers=True), "127.0.0.1", self._server_port
        )
        page_end.tie(server_end)
        if page_end.lost.is_set():
            server_end.close()
