"""The listening sockets: bound, and accepted from, plain or with TLS.

Plain connections are accepted by the event loop itself. With TLS each one is
accepted here and counted before its handshake, or many that never finish
theirs would use up the descriptors unseen.
"""

import asyncio
import contextlib
import errno
import socket
from typing import Final

from loudsync._systems import SHARES_PORTS, share_port
from loudsync.discovery.interfaces import EVERY_NETWORK
from loudsync.errors import PortInUse, StartFailed
from loudsync.server.front_door import Doorway, FrontDoor
from loudsync.server.logs import get_logger

log = get_logger("server")

_BACKLOG: Final = 4096
"""Connections that may wait to be accepted: a crowd joins at once. The system
may cap it (``net.core.somaxconn``)."""

_ACCEPT_RETRY_S: Final = 1.0
"""How long to wait where the system has no descriptor left to accept with."""

_NO_SUCH_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""What a name that stands for several addresses may have one too many of."""

_FIRST_FREE_PORT: Final = 1024
"""Those below are for administrators."""


class Listener:
    """Accepts connections for a front door, until it is closed.

    Args:
        door: Gets the connections; its ``tls`` is looked at for each.
    """

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._sockets[0].getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """The first address that it listens at."""
        return str(self._sockets[0].getsockname()[0])

    async def start(self, host: str, port: int, *, share_port: bool = False) -> None:
        """Bind and listen; return once connections are accepted.

        Args:
            share_port: Listen beside others of this user who share the port too;
                the system spreads connections over them (Linux only).

        Raises:
            OSError: The address can't be used. Nothing is left open then, nor
                after a cancellation.
        """
        try:
            self._sockets = await bind(host, port, share=share_port)
            for bound in self._sockets:
                if self._door.tls is not None:
                    bound.listen(_BACKLOG)
                    self._accepting.append(asyncio.create_task(self._accept(bound)))
                else:
                    await self._serve_plain(bound)
        except BaseException:
            self.close()
            raise

    async def _serve_plain(self, bound: socket.socket) -> None:
        # In two steps: cancelled in one, the loop would go on serving.
        server = await asyncio.get_running_loop().create_server(
            lambda: Doorway(self._door),
            sock=bound,
            backlog=_BACKLOG,
            start_serving=False,
        )
        self._servers.append(server)
        await server.start_serving()

    def close(self) -> None:
        """Accept no more; handshakes that are under way are given up."""
        for task in (*self._accepting, *self._handshakes):
            task.cancel()
        for server in self._servers:
            server.close()
        for bound in self._sockets:
            bound.close()

    async def wait_closed(self) -> None:
        """Wait until nothing of it is left, after ``close``."""
        await asyncio.gather(
            *self._accepting, *self._handshakes, return_exceptions=True
        )
        for server in self._servers:
            await server.wait_closed()

    async def _accept(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(bound)
            except OSError as fault:
                if fault.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS):
                    log.warning("accept_failed", reason=fault.strerror)
                    await asyncio.sleep(_ACCEPT_RETRY_S)
                continue
            visit = self._door.visitors.enter(peer[0], accepted.fileno)
            if visit.refusal is not None and not visit.may_hear_why:
                accepted.close()
                visit.end()
                continue
            doorway = Doorway(self._door, visit)
            task = loop.create_task(self._shake_hands(accepted, doorway))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, accepted: socket.socket, doorway: Doorway) -> None:
        """Secure a connection; its doorway hears of it once that is done."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: doorway,
                accepted,
                ssl=self._door.tls,
                # A handshake is as slow as a head may be.
                ssl_handshake_timeout=self._door.settings.head_timeout_s,
            )
        except (OSError, asyncio.CancelledError):
            # What peers do wrong is no news.
            doorway.connection_lost(None)


async def bind(host: str, port: int, *, share: bool = False) -> list[socket.socket]:
    """Bind a socket to each address that a host stands for; none listens yet.

    Args:
        share: Whether others who share the port may be bound to it too.

    Raises:
        OSError: None of them can be had, or one is in use.
    """
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(
        None if host in EVERY_NETWORK else host,
        port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )
    bound: list[socket.socket] = []
    missing: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, kind, protocol, _, address in dict.fromkeys(infos):
            try:
                listening = socket.socket(family, kind, protocol)
            except OSError as fault:
                missing = fault
                continue
            undo.callback(listening.close)
            listening.setblocking(False)
            if not SHARES_PORTS:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if share:
                share_port(listening)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if bound and port == 0:  # one free port for all of them
                address = (address[0], bound[0].getsockname()[1], *address[2:])
            try:
                listening.bind(address)
            except OSError as fault:
                if fault.errno not in _NO_SUCH_FAMILY:
                    raise
                missing = fault
                continue
            bound.append(listening)
        if not bound:
            raise missing or OSError(errno.EADDRNOTAVAIL, "no such address")
        undo.pop_all()
    return bound


def why_not_listening(host: str, port: int, fault: Exception) -> StartFailed:
    """Say why an address can't be listened at, and what to do about it."""
    where = f"{host}:{port}"
    number = fault.errno if isinstance(fault, OSError) else None
    # A port that the system keeps for something is as good as in use (Windows).
    is_kept = number == errno.EACCES and port >= _FIRST_FREE_PORT
    if number == errno.EADDRINUSE or is_kept:
        advice = "the port is in use; stop what uses it or choose another with --port"
        return PortInUse(f"Can't listen at {where}: {advice}")
    if number == errno.EACCES:
        advice = "this port needs more rights; choose one from 1024 up with --port"
    elif number == errno.EADDRNOTAVAIL or isinstance(
        fault, socket.gaierror | ValueError
    ):
        advice = "this machine has no such address; choose another with --host"
    elif isinstance(fault, OverflowError):
        advice = "a port is a number from 0 to 65535; choose another with --port"
    else:
        advice = f"{getattr(fault, 'strerror', None) or fault}"
    return StartFailed(f"Can't listen at {where}: {advice}")
