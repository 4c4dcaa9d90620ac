"""A member of a session, for programs: join, listen, come back, leave."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiohttp

from loudsync.client.clock import Clock
from loudsync.client.connection import CLOSE_TIMEOUT_S, open_http
from loudsync.client.keeper import SeatKeeper
from loudsync.client.settings import ClientSettings
from loudsync.client.tasks import time_limit, wait_for_all
from loudsync.core.events import ClientEvent
from loudsync.errors import InvalidSetting, NotConnected
from loudsync.protocol import (
    MAX_REASON_LENGTH,
    CloseRequest,
    ConnectionState,
    DeviceId,
    Join,
    KickRequest,
    MemberId,
    MemberInfo,
    MemberListRequest,
    SessionInfo,
    TextError,
    Welcome,
    check_shown,
)

log = logging.getLogger("loudsync.client")


class Client(AsyncIterator[ClientEvent]):
    """A seat in a session; ``loudsync.join`` makes one.

    Entering it connects and joins, leaving it gives the seat up. Iterating
    over it yields events, ``Connected`` first. When the connection is lost it
    comes back by itself: ``StateChanged`` tells of ``reconnecting`` (with the
    attempt that follows), ``connected`` again and ``failed``; a ``Connected``
    follows each return and tells who is here now.

    The iteration ends after this client's own ``leave``, ``RemovedByHost`` or
    ``SessionEnded``. It raises ``ReconnectionFailed`` when every attempt is
    used up, and the server's refusal when it may not come back. What waits is
    delivered before either. One task may iterate at a time; a second one gets
    a ``RuntimeError``.

    A reader that is too slow loses the oldest events and gets an
    ``EventsLost`` with their count; the attributes are right all the same.

    Source: protocol v1.0, "Reconnection Logic"; contract, section 5.
    """

    def __init__(
        self,
        url: str,
        request: Join,
        settings: ClientSettings,
        clock: Clock,
        tls: ssl.SSLContext | None,
        chance: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._tls = tls
        self._keeper = SeatKeeper(url, request, settings, clock, chance)
        self._http: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None

    # --- What is so now --------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """Where the client is (specification, "Connection States")."""
        return self._keeper.state.state

    @property
    def device_id(self) -> DeviceId:
        """What the seat is kept for; known to this device and the server only."""
        return self._keeper.request.device_info.id

    @property
    def client_id(self) -> MemberId:
        """This client's member id; after the end, the one it had.

        Raises:
            NotConnected: It never joined.
        """
        return self._welcome().client_id

    @property
    def session(self) -> SessionInfo:
        """The session; after the end, the one it was.

        Raises:
            NotConnected: The client never joined.
        """
        return self._welcome().session_info

    @property
    def members(self) -> Mapping[MemberId, MemberInfo]:
        """Who is here, by id, in order; follows what happens, empty at the end."""
        return self._keeper.view.members

    @property
    def me(self) -> MemberInfo | None:
        """This client among the members; ``None`` where it isn't one (any more)."""
        welcome = self._keeper.welcome
        return None if welcome is None else self.members.get(welcome.client_id)

    @property
    def is_host(self) -> bool:
        """Whether this client hosts the session."""
        welcome = self._keeper.welcome
        return welcome is not None and welcome.client_id == welcome.session_info.host_id

    @property
    def latency_ms(self) -> float | None:
        """The last round trip on this connection; ``None`` until measured."""
        return self._keeper.latency_ms

    # --- What a program can ask for --------------------------------------------

    async def leave(self, reason: str = "") -> None:
        """Give the seat up and wait, at most 2 s, for the server to close.

        While the client is reconnecting it stops trying instead; the server
        frees the seat by itself. The iteration ends. Cancelled, the LEAVE may
        be sent and the end follows on leaving the ``async with`` at the latest.

        Raises:
            NotConnected: Not joined, or over already.
            InvalidSetting: The reason can't be sent.

        Source: protocol v1.0, "2. LEAVE".
        """
        _check_reason(reason)
        if self._task is None or self._keeper.is_over:
            raise NotConnected("The client is not in a session")
        if self.state is ConnectionState.CONNECTED:
            with suppress(TimeoutError, NotConnected):
                async with time_limit(self._clock, CLOSE_TIMEOUT_S):
                    await self._keeper.send_leave(reason)
                    await asyncio.wait({self._task})
        await _stop(self._task)

    async def kick(self, member_id: MemberId | str, reason: str = "") -> None:
        """Remove a member for as long as the session lives; the host may.

        Returns once the request is sent; the answer is an event, ``Left`` or
        ``ErrorReported``.

        Raises:
            NotConnected: There is no connection now.
            InvalidSetting: The reason or the id can't be sent.

        Source: contract, section 3.
        """
        _check_reason(reason)
        _check_encodable("member_id", member_id)
        await self._keeper.send(
            KickRequest(
                timestamp_ms=self._clock.unix_ms(),
                member_id=MemberId(member_id),
                reason=reason,
            )
        )

    async def close_session(self, reason: str = "") -> None:
        """End the session for everybody; the host may.

        Returns once the request is sent; ``SessionEnded`` or ``ErrorReported``
        follows.

        Raises:
            NotConnected: There is no connection now.
            InvalidSetting: The reason can't be sent.

        Source: contract, section 3.
        """
        _check_reason(reason)
        await self._keeper.send(
            CloseRequest(timestamp_ms=self._clock.unix_ms(), reason=reason)
        )

    async def request_members(self) -> None:
        """Ask for a fresh member list; what differs comes as events.

        Raises:
            NotConnected: There is no connection now.

        Source: contract, section 3.
        """
        await self._keeper.send(MemberListRequest(timestamp_ms=self._clock.unix_ms()))

    # --- async with, async for ---------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect and join.

        On any error, and cancelled, nothing is left open.

        Raises:
            Refused: The server's ERROR, as the class of its code.
            ConnectionFailed: No LoudSync server answered in time.
            RuntimeError: Entered before; ``join`` makes a new client.
        """
        if self._http is not None:
            raise RuntimeError("A client joins once; call join() for another")
        self._http = http = open_http(self._tls)
        try:
            await self._keeper.join(http)
        except BaseException:
            await wait_for_all([asyncio.create_task(http.close())])
            raise
        self._task = asyncio.create_task(
            self._keeper.keep(http), name="loudsync client"
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave if still connected, then stop everything.

        A peer can hold this up for 2 s at most; cancelled, for no time.
        """
        try:
            if self._keeper.is_over and self._task is not None:
                # A closing handshake may be under way; it has its own limit.
                await asyncio.wait({self._task})
            elif self.state is ConnectionState.CONNECTED:
                with suppress(NotConnected):
                    await self.leave()
        finally:
            await wait_for_all([asyncio.create_task(self._shut())])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ClientEvent:
        """Wait for the next event; cancelled, none is lost.

        Raises:
            NotConnected: The client was not entered.
            RuntimeError: Another task iterates.
            ReconnectionFailed: Every attempt to come back failed.
            Refused: The server did not take this client back.
        """
        if self._task is None:
            raise NotConnected("Use `async with` to join before iterating")
        return await self._keeper.events.get()

    async def _shut(self) -> None:
        if self._task is not None:
            await _stop(self._task)
        await self._keeper.drop()
        self._keeper.conclude()
        if self._http is not None:
            await self._http.close()

    def _welcome(self) -> Welcome:
        if self._keeper.welcome is None:
            raise NotConnected("The client has not joined")
        return self._keeper.welcome


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await wait_for_all([task])
    if not task.cancelled() and (bug := task.exception()) is not None:
        log.error("The client ended with a bug", exc_info=bug)


def _check_reason(reason: str) -> None:
    try:
        check_shown("reason", reason, MAX_REASON_LENGTH)
    except TextError as fault:
        raise InvalidSetting("reason", f"is refused: {fault.reason}") from None
    _check_encodable("reason", reason)


def _check_encodable(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidSetting(name, "must not contain half characters") from None
