"""The server as a whole: its parts, its life, its way to be embedded."""

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from loudsync.address import base_url, join_link
from loudsync.core import Registry
from loudsync.discovery.interfaces import is_every_network
from loudsync.errors import InvalidSetting, LoudSyncError
from loudsync.protocol import CloseCode
from loudsync.server.addresses import ProxyTrust
from loudsync.server.advertising import Advertiser
from loudsync.server.clock import Clock, SystemClock
from loudsync.server.clustering import Cluster, ClusterSessions
from loudsync.server.connection import ServerConnection, Surroundings
from loudsync.server.creation import (
    DEFAULT_HOST_NAME,
    new_token,
    open_session,
    session_spec,
)
from loudsync.server.front_door import FrontDoor
from loudsync.server.hosting import HostedSession
from loudsync.server.late_http import LateHttp
from loudsync.server.links import check_public_url, reachable_host
from loudsync.server.listener import Listener, why_not_listening
from loudsync.server.liveness import Liveness
from loudsync.server.logs import get_logger
from loudsync.server.origins import OriginRule
from loudsync.server.runner import Runner
from loudsync.server.settings import (
    DEFAULT_MAX_MEMBERS,
    DEFAULT_PORT,
    EVERY_INTERFACE,
    ServerSettings,
)
from loudsync.server.stats import ServerStats
from loudsync.server.store import MemoryStore, SessionStore
from loudsync.server.visitors import Visit
from loudsync.server.websocket import WebSocket

if TYPE_CHECKING:
    from loudsync.server.http_api import HttpApi

log = get_logger("server")

SHUTDOWN_REASON: Final = "Server shutting down"

_MAX_PORT: Final = 65535

_FIRST_FREE_PORT: Final = 1024
"""Those below are for administrators."""


class SessionServer:
    """A LoudSync server: one port, many sessions. An async context manager.

    ::

        async with SessionServer(port=8080) as server:
            session = await server.create_session("Friday Party")
            print(session.join_url)
            async for event in session:
                print(event)

    Args:
        host: The address to listen at; by default every interface.
        port: The port; 0 takes a free one, ``server.port`` tells which.
        settings: Every number it goes by.
        tls: Serve wss and https with this context instead of plain.
        store: Where sessions are kept; by default in memory.
        clock: What time it is; by default the system's.
        advertise: Announce listed sessions on the local network, over mDNS.
        cluster: Be one node of many, a ``loudsync.cluster.ClusterNode``, that
            together are one service; it brings the store.
        share_port: Listen beside other processes that do so too, on Linux.

    Attributes:
        settings: As given.
    """

    def __init__(
        self,
        *,
        host: str = EVERY_INTERFACE,
        port: int = DEFAULT_PORT,
        settings: ServerSettings | None = None,
        tls: ssl.SSLContext | None = None,
        store: SessionStore | None = None,
        clock: Clock | None = None,
        advertise: bool = False,
        cluster: Cluster | None = None,
        share_port: bool = False,
    ) -> None:
        if cluster is not None and store is not None:
            raise InvalidSetting("store", "is the cluster's; give one of both")
        self.settings = settings or ServerSettings()
        self._host = host
        self._port = port
        self._tls = tls
        self._cluster = cluster
        self._share_port = share_port
        self._store = cluster.store if cluster is not None else store or MemoryStore()
        self._clock = clock
        self._advertise = advertise
        self._parts: _Parts | None = None
        self._is_starting = False
        public_url = self.settings.public_url
        self._public_url = check_public_url(public_url) if public_url else ""
        OriginRule(self.settings.allowed_origins)
        ProxyTrust(self.settings.trusted_proxies)

    # --- Its life -----------------------------------------------------------

    async def start(self) -> None:
        """Listen; return once guests can come.

        Raises:
            StartFailed: The address can't be used; the text says why.
            LoudSyncError: It runs already.
        """
        if self._parts is not None or self._is_starting:
            raise LoudSyncError("This server runs already")
        self._is_starting = True
        try:
            parts = await self._listen()
        finally:
            self._is_starting = False
        self._parts = parts
        parts.liveness.start()
        if self._advertise:
            parts.advertise(self._host, self._public_url)
        log.info("listening", url=self.url)

    async def _listen(self) -> "_Parts":
        if not 0 <= self._port <= _MAX_PORT:
            raise why_not_listening(self._host, self._port, OverflowError())
        parts = _Parts(self)
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(self._store.close)
            parts.runner.restore(self._store.load())
            undo.push_async_callback(parts.http.stop)
            if self._cluster is not None:
                undo.push_async_callback(self._cluster.stop)
                await self._cluster.start()
            try:
                await parts.listener.start(
                    self._host, self._port, share_port=self._share_port
                )
            except (OSError, ValueError) as fault:
                raise why_not_listening(self._host, self._port, fault) from None
            self._port = parts.listener.port
            undo.pop_all()
        return parts

    async def stop(
        self, reason: str = SHUTDOWN_REASON, *, close_sessions: bool = False
    ) -> None:
        """Close every session, give everybody a moment to read it, then end.

        With a store that outlives the process the sessions stay in it instead,
        and connections are closed with 1012 ("service restart"). In a cluster
        other nodes go on with the sessions, and connections end a few at a time.

        Args:
            close_sessions: Close the sessions all the same.

        Nothing of the server is left afterwards. A second call does nothing.
        Cancelled while it waits, it drops what is still open and ends.
        """
        parts, self._parts = self._parts, None
        if parts is None:
            return
        # Who still comes is told so with 503; the listener goes last.
        parts.door.is_open = False
        if self._share_port:
            parts.listener.close()  # others listen there too
        parts.liveness.stop()
        goodbye = asyncio.create_task(parts.stop_advertising())
        try:
            if close_sessions and self._cluster is not None:
                await self._close_or_leave(parts, self._cluster, reason)
            elif not self._store.outlives_process:
                await parts.runner.close_all(reason)
            elif self._cluster is not None:
                await self._cluster.leave(reason)
            else:
                parts.runner.disconnect_all(CloseCode.SERVICE_RESTART, reason)
            parts.close_newcomers()
            await parts.wait_until_empty(self.settings.shutdown_grace_s)
        finally:
            async with contextlib.AsyncExitStack() as last:
                # Each of them, last first, even where one is cancelled.
                last.push_async_callback(asyncio.wait, {goodbye})
                last.push_async_callback(self._store.close)
                if self._cluster is not None:
                    last.push_async_callback(self._cluster.stop)
                last.push_async_callback(parts.listener.wait_closed)
                last.push_async_callback(parts.http.stop)
                last.callback(parts.door.shut)
                last.callback(parts.listener.close)
        log.info("stopped")

    async def _close_or_leave(
        self, parts: "_Parts", cluster: Cluster, reason: str
    ) -> None:
        """Close every session; where the cluster doesn't take that in time, leave."""
        try:
            async with asyncio.timeout(self.settings.shutdown_grace_s):
                await parts.runner.close_all(reason)
        except TimeoutError:
            await cluster.leave(reason)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Secure new connections with another context, as a renewed certificate's.

        Connections that are open keep what they were opened with.

        Raises:
            LoudSyncError: The server was started without TLS.
        """
        if self._tls is None:
            raise LoudSyncError("This server was started without TLS")
        self._tls = context
        if self._parts is not None:
            self._parts.door.tls = context

    # --- Where it is --------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens at; once started, never 0."""
        return self._port

    @property
    def is_secure(self) -> bool:
        """Whether it serves wss and https."""
        return self._tls is not None

    @property
    def url(self) -> str:
        """Its HTTP address as guests reach it, without a slash at the end."""
        if self._public_url:
            return self._public_url
        return self.own_url

    @property
    def own_url(self) -> str:
        """Its HTTP address as it has it itself, whatever its public one is."""
        host = reachable_host(self._host)
        return base_url(host, self._port, is_secure=self.is_secure)

    # --- Its sessions -------------------------------------------------------

    async def create_session(
        self,
        name: str,
        *,
        host_name: str = DEFAULT_HOST_NAME,
        max_members: int = DEFAULT_MAX_MEMBERS,
        session_id: str | None = None,
        listed: bool = False,
        remote_host: bool = False,
    ) -> HostedSession:
        """Open a session.

        Args:
            host_name: What the host is called; a remote host brings its own.
            session_id: An id of your own, else six characters are drawn.
            listed: Show it to everybody in ``GET /sessions``.
            remote_host: A device will host it, with ``host_token``; else this
                process is the host, present from the start.

        Raises:
            InvalidSetting: A value is out of its range.
            SessionExists: The id is taken.
            TooManySessions: There are as many as there may be.
            StorageFull: The store has no room for it now.
            Unavailable: The cluster's NATS is away.
        """
        sessions, runner = self._running.sessions, self._running.runner
        token = new_token() if remote_host else None
        spec = session_spec(
            name,
            host_name=host_name,
            max_members=max_members,
            session_id=session_id,
            listed=listed,
            token=token,
        )
        is_drawn = session_id is None
        spec = await open_session(sessions, spec, id_was_drawn=is_drawn)
        session = runner.registry.find(spec.id)
        return HostedSession(runner, session, join_link(self.url, session.id), token)

    def sessions(self) -> list[HostedSession]:
        """Return every open session, whoever created it, oldest first."""
        runner = self._running.runner
        return [
            HostedSession(runner, session, join_link(self.url, session.id), None)
            for session in runner.registry
            if not session.ended
        ]

    @property
    def stats(self) -> ServerStats:
        """What has happened so far, in numbers."""
        return self._running.stats

    @property
    def connection_count(self) -> int:
        """TCP connections that are open now."""
        return len(self._running.door.visitors)

    @property
    def _running(self) -> "_Parts":
        if self._parts is None:
            raise LoudSyncError("This server does not run; use 'async with' or start()")
        return self._parts


class _Parts:
    """What a running server is made of."""

    def __init__(self, server: SessionServer) -> None:
        settings = server.settings
        self._server = server
        self._advertiser: Advertiser | None = None
        self.stats = ServerStats()
        clock = server._clock or SystemClock()  # noqa: SLF001  # its own parts
        self.registry = Registry(settings.rules, settings.max_sessions)
        self.runner = Runner(
            self.registry,
            server._store,  # noqa: SLF001
            clock,
            settings,
            self.stats,
        )
        cluster = server._cluster  # noqa: SLF001
        self.sessions: Runner | ClusterSessions = (
            self.runner
            if cluster is None
            else cluster.attach(self.runner, clock, lambda: server.own_url)
        )
        self.around = Surroundings(self.sessions, clock, settings, self.stats)
        self.liveness = Liveness(self.around)
        self.http = LateHttp(self._load_http)
        self.door = FrontDoor(
            settings,
            self._accept,
            self.http.protocol,
            server._tls,  # noqa: SLF001
        )
        self.listener = Listener(self.door)

    def _accept(self, socket: WebSocket, visit: Visit) -> None:
        socket.handle_with(ServerConnection(socket, self.around, visit.address))

    def _load_http(self) -> "HttpApi":
        # Imported when it is called: `late_http` says why.
        from loudsync.server.http_api import HttpApi
        from loudsync.server.metrics import Metrics

        server = self._server
        cluster = server._cluster  # noqa: SLF001  # its own parts
        return HttpApi(
            self.sessions,
            self.around,
            Metrics(
                self.stats,
                self.registry,
                lambda: len(self.door.visitors),
                lambda: server._store.has_room,  # noqa: SLF001
                cluster.metrics if cluster is not None else None,
            ),
            is_ending=lambda: not self.door.is_open,
            trouble=lambda: cluster.trouble if cluster is not None else "",
            base_url=lambda: server.url,
            is_secure=server.is_secure,
        )

    def advertise(self, host: str, public_url: str) -> None:
        """Announce listed sessions from now on."""
        self._advertiser = Advertiser(
            self.runner,
            host if is_every_network(host) else self.listener.address,
            self.listener.port,
            is_secure=self._server.is_secure,
            public_url=public_url,
        )
        self._advertiser.start()

    async def stop_advertising(self) -> None:
        """Say goodbye for every session that was announced."""
        if self._advertiser is not None:
            await self._advertiser.stop()

    def close_newcomers(self) -> None:
        """Close the connections that never joined."""
        for connection in self.around.newcomers.pop_silent(2**63):
            connection.going_away()

    async def wait_until_empty(self, grace_s: float) -> None:
        """Wait until every connection has ended, but not for longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self.door.visitors.emptied.wait()
