"""Where a flow is played: without sockets, or with real ones on either loop.

A flow is an async function that takes a ``Party``. ``@flow`` makes a test of it
that pytest runs on every stage.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.core import SessionSpec, hash_token
from loudsync.protocol import MemberId, SessionId
from loudsync.server.clock import Timer
from loudsync.testing import ManualClock, MemoryServer, MemorySocket
from raw_peer import ABNORMAL, RawPeer

TOKEN = "the-host-token"

SOON_S = 0.05
"""Waits below this are about order within a turn, and pass by themselves."""

_SETTLING_S = 0.001
"""What passes in memory where a real loop would take its next turns."""


class Peer(Protocol):
    """One connection of a device."""

    answers_pings: bool

    async def say(self, message: dict[str, Any]) -> None: ...
    async def say_text(self, text: str) -> None: ...
    async def say_bytes(self, data: bytes) -> None: ...
    async def receive(self) -> dict[str, Any]: ...
    async def closed(self) -> int: ...
    async def hang_up(self, code: int = 1000) -> None: ...
    async def break_protocol(self) -> None: ...


class Party:
    """What a flow needs of the world; the stages fill in how."""

    async def create(
        self,
        session_id: str = "abc123",
        *,
        remote: bool = False,
        max_members: int = 10,
        name: str = "Friday Party",
    ) -> None:
        """Open a session; a remote host's token is ``TOKEN``."""
        raise NotImplementedError

    async def connect(self) -> Peer:
        raise NotImplementedError

    async def pass_time(self, seconds: float) -> None:
        """Let the server's clock move."""
        raise NotImplementedError

    async def kick(self, member_id: str, reason: str = "") -> None:
        raise NotImplementedError

    async def close(self, reason: str = "") -> None:
        raise NotImplementedError

    # --- Steps that flows share ---------------------------------------------

    async def join(
        self, device: str, name: str = "Ann", session_id: str = "abc123", **more: Any
    ) -> "Guest":
        """Connect, join, read WELCOME and MEMBER_LIST."""
        peer = await self.connect()
        await peer.say(join(device, name, session_id, **more))
        return Guest(peer, await peer.receive(), await peer.receive())

    async def quiet(self, *peers: Peer) -> None:
        """Check that these connections have nothing more to read.

        A PONG comes after everything that was said before its PING.
        """
        for peer in peers:
            await peer.say({"type": "ping", "timestamp": 424242})
            assert await peer.receive() == {"type": "pong", "timestamp": 424242}

    async def beat(self, *peers: Peer) -> None:
        """Let these connections send HEARTBEAT, and wait until it is taken."""
        for peer in peers:
            await peer.say({"type": "heartbeat"})
        await self.quiet(*peers)


class Guest:
    """A joined connection, and what it was told."""

    def __init__(
        self, peer: Peer, welcome: dict[str, Any], members: dict[str, Any]
    ) -> None:
        assert welcome["type"] == "welcome", welcome
        assert members["type"] == "member_list", members
        self.peer = peer
        self.welcome = welcome
        self.members = members["members"]
        self.id: str = welcome["clientId"]

    @property
    def me(self) -> dict[str, Any]:
        (mine,) = [member for member in self.members if member["id"] == self.id]
        return dict(mine)


def join(
    device: str, name: str = "Ann", session_id: str = "abc123", **more: Any
) -> dict[str, Any]:
    """Write a JOIN; a ``token`` makes it the host's."""
    kind = "host" if "token" in more else "client"
    info = {"id": device, "name": name, "type": kind}
    return {"type": "join", "sessionId": session_id, "deviceInfo": info, **more}


# --- In memory ----------------------------------------------------------------


class MemoryPeer:
    def __init__(self, socket: MemorySocket) -> None:
        self.socket = socket

    @property
    def answers_pings(self) -> bool:
        return self.socket.answers_pings

    @answers_pings.setter
    def answers_pings(self, value: bool) -> None:
        self.socket.answers_pings = value

    async def say(self, message: dict[str, Any]) -> None:
        self.socket.say(message)

    async def say_text(self, text: str) -> None:
        self.socket.say_text(text)

    async def say_bytes(self, data: bytes) -> None:
        self.socket.connection.binary_received(data)

    async def receive(self) -> dict[str, Any]:
        return self.socket.received.pop(0)

    async def closed(self) -> int:
        assert not self.socket.is_open
        return self.socket.close_code or ABNORMAL

    async def hang_up(self, code: int = 1000) -> None:
        self.socket.hang_up(code)

    async def break_protocol(self) -> None:
        self.socket.break_protocol()


class MemoryParty(Party):
    def __init__(self, settings: ServerSettings) -> None:
        self._server = MemoryServer(settings)
        self._sockets: list[MemorySocket] = []
        self._session_id = SessionId("")

    async def create(
        self,
        session_id: str = "abc123",
        *,
        remote: bool = False,
        max_members: int = 10,
        name: str = "Friday Party",
    ) -> None:
        self._session_id = SessionId(session_id)
        self._server.create(
            SessionSpec(
                id=self._session_id,
                name=name,
                host_name="Host",
                max_members=max_members,
                token_hash=hash_token(TOKEN) if remote else None,
            )
        )

    async def connect(self) -> Peer:
        socket = self._server.connect()
        self._sockets.append(socket)
        return _Settling(MemoryPeer(socket), self._settle)

    async def pass_time(self, seconds: float) -> None:
        self._server.clock.advance(seconds)
        await self._settle()

    async def kick(self, member_id: str, reason: str = "") -> None:
        await self._server.runner.kick(self._session_id, MemberId(member_id), reason)

    async def close(self, reason: str = "") -> None:
        await self._server.runner.close(self._session_id, reason)

    async def _settle(self) -> None:
        """Let happen what a loop would do in its next turns."""
        for socket in self._sockets:
            socket.answer_pings()
        self._server.clock.advance(_SETTLING_S)


class _Settling:
    """A peer after whose every act the world settles."""

    def __init__(self, peer: MemoryPeer, settle: Callable[[], Awaitable[None]]) -> None:
        self._peer = peer
        self._settle = settle

    def __getattr__(self, name: str) -> Any:
        act = getattr(self._peer, name)
        if not callable(act):
            return act

        async def settled(*args: Any) -> Any:
            await self._settle()
            result = await act(*args)
            await self._settle()
            return result

        return settled

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._peer, name, value)


# --- Over real sockets --------------------------------------------------------


class SocketPeer(RawPeer):
    async def say_bytes(self, data: bytes) -> None:
        self.send_frame(0x2, data)


class FlowClock(ManualClock):
    """A manual clock that leaves the order within a turn to the loop."""

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Any:
        if delay_s < SOON_S:
            timer: Timer = asyncio.get_running_loop().call_later(delay_s, callback)
            return timer
        return super().call_later(delay_s, callback)


class SocketParty(Party):
    def __init__(self, server: SessionServer, clock: FlowClock) -> None:
        self._server = server
        self._clock = clock
        self.peers: list[RawPeer] = []
        self._session_id = ""
        self._token: str | None = None

    async def create(
        self,
        session_id: str = "abc123",
        *,
        remote: bool = False,
        max_members: int = 10,
        name: str = "Friday Party",
    ) -> None:
        self._session_id = session_id
        session = await self._server.create_session(
            name,
            session_id=session_id,
            max_members=max_members,
            remote_host=remote,
        )
        self._token = session.host_token

    async def connect(self) -> Peer:
        peer = _TokenPeer(await SocketPeer.connect(self._server.port), self)
        self.peers.append(peer.raw)
        return peer

    async def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def real_token(self, token: str) -> str:
        """Return the session's own token for ``TOKEN``; a wrong one stays."""
        return self._token or token if token == TOKEN else token

    async def kick(self, member_id: str, reason: str = "") -> None:
        (session,) = [s for s in self._server.sessions() if s.id == self._session_id]
        await session.kick(member_id, reason)

    async def close(self, reason: str = "") -> None:
        (session,) = [s for s in self._server.sessions() if s.id == self._session_id]
        await session.close(reason)


class _TokenPeer:
    """A socket peer that knows the token the server has drawn."""

    def __init__(self, raw: SocketPeer, party: SocketParty) -> None:
        self.raw = raw
        self._party = party

    @property
    def answers_pings(self) -> bool:
        return self.raw.answers_pings

    @answers_pings.setter
    def answers_pings(self, value: bool) -> None:
        self.raw.answers_pings = value

    async def say(self, message: dict[str, Any]) -> None:
        if "token" in message:
            message = {**message, "token": self._party.real_token(message["token"])}
        await self.raw.say(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


# --- Playing -------------------------------------------------------------------


@asynccontextmanager
async def _socket_party(settings: ServerSettings) -> AsyncIterator[SocketParty]:
    clock = FlowClock()
    async with SessionServer(
        host="127.0.0.1", port=0, settings=settings, clock=clock
    ) as server:
        party = SocketParty(server, clock)
        try:
            yield party
        finally:
            for peer in party.peers:
                await peer.gone()


def _play_in_memory(play: Callable[[Party], Any], settings: ServerSettings) -> None:
    """Run a flow without any loop: nothing in it may have to wait."""
    coroutine = play(MemoryParty(settings))
    with pytest.raises(StopIteration):
        coroutine.send(None)


def _play_on_sockets(
    play: Callable[[Party], Any], settings: ServerSettings, loop_name: str
) -> None:
    async def with_server() -> None:
        async with _socket_party(settings) as party:
            await play(party)

    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if loop_name == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(with_server())


Flow = Callable[[Party], Awaitable[None]]
Test = Callable[[str], None]


def flow(play: Flow) -> Test:
    """Make a test of a flow, played on every stage."""
    return flow_with()(play)


def flow_with(**settings: Any) -> Callable[[Flow], Test]:
    """Make a test of a flow, played on every stage with these server settings."""
    return functools.partial(_as_test, settings)


def _as_test(settings: dict[str, Any], play: Flow) -> Test:
    @pytest.mark.parametrize("stage", ["memory", "asyncio", "uvloop"])
    def test(stage: str) -> None:
        numbers = ServerSettings(**{"max_message_rate": 0, **settings})
        if stage == "memory":
            _play_in_memory(play, numbers)
        else:
            _play_on_sockets(play, numbers, stage)

    test.__name__ = play.__name__
    test.__doc__ = inspect.getdoc(play)
    return test
