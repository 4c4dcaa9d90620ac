"""Keeping a seat: join, listen, come back when the connection is lost."""

import asyncio
import logging
from collections.abc import Callable

import aiohttp
import msgspec

from loudsync.client.clock import Clock
from loudsync.client.connection import Connection
from loudsync.client.seating import EndedWhileJoining, Seat, take_seat
from loudsync.client.settings import ClientSettings
from loudsync.client.tasks import time_limit
from loudsync.core import ENDING_CODES, ClientState, MemberView
from loudsync.core.events import (
    ClientEvent,
    Connected,
    ErrorReported,
    LatencyMeasured,
    RemovedByHost,
    SessionEnded,
    StateChanged,
)
from loudsync.errors import (
    ConnectionFailed,
    LoudSyncError,
    NotConnected,
    ReconnectionFailed,
    Refused,
)
from loudsync.event_queue import EventQueue
from loudsync.protocol import (
    ClientMessage,
    ConnectionState,
    Error,
    Join,
    Kicked,
    Leave,
    MemberJoined,
    MemberLeft,
    MemberList,
    Pong,
    SessionClosed,
    Welcome,
)

log = logging.getLogger("loudsync.client")


class SeatKeeper:
    """What a client knows of its seat, and the loop that keeps it.

    Args:
        url: A ``ws`` or ``wss`` URL.
        request: The JOIN; each attempt sends it with its own timestamp.
        settings: Numbers.
        clock: Time.
        chance: Draws a number from 0 up to 1, for the spread of reconnections.

    Attributes:
        request: The same.
        state: The connection state and its attempts.
        events: What the program has not read yet.
        welcome: The last WELCOME.
        view: Who is here; empty at the end.
        latency_ms: The last round trip on this connection.
        is_over: The final state: nothing changes any more.
    """

    def __init__(
        self,
        url: str,
        request: Join,
        settings: ClientSettings,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self.request = request
        self.state = ClientState(settings.reconnect_attempts)
        self.events: EventQueue[ClientEvent] = EventQueue(settings.max_queued_events)
        self.welcome: Welcome | None = None
        self.view = MemberView(request.session_id)
        self.latency_ms: float | None = None
        self.is_over = False
        self._url = url
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._connection: Connection | None = None
        self._is_leaving = False

    async def join(self, http: aiohttp.ClientSession) -> None:
        """Take a seat for the first time.

        Raises:
            Refused: The server's ERROR.
            ConnectionFailed: No LoudSync server answered in time. After
                either, and cancelled, nothing is open and it is over.
        """
        self.state.connect()
        try:
            self._sit_down(await self._attempt(http))
        except BaseException:
            self.conclude()
            raise

    async def keep(self, http: aiohttp.ClientSession) -> None:
        """Listen, and come back when the connection is lost, until it is over.

        Cancelled, it drops the connection and it is over.
        """
        end: BaseException | None = None
        try:
            while self._connection is not None:
                reason = await self._listen(self._connection)
                if self._is_leaving or self.is_over:
                    return
                await self._come_back(http, reason)
        except EndedWhileJoining as ended:
            self._tell_end(ended.end)
        except LoudSyncError as fault:
            end = fault
        except asyncio.CancelledError:
            raise
        except BaseException as bug:
            end = bug
            raise
        finally:
            self.conclude(end)

    async def send(self, request: ClientMessage) -> None:
        """Send a request; cancelled, it may have been sent.

        Raises:
            NotConnected: There is no connection now.
        """
        if (
            self._connection is None
            or self._is_leaving
            or self.state.state is not ConnectionState.CONNECTED
        ):
            raise NotConnected(f"The client is {self.state.state}")
        try:
            await self._connection.send(request)
        except ConnectionFailed as lost:
            raise NotConnected(f"The connection was lost: {lost.reason}") from lost

    async def send_leave(self, reason: str) -> None:
        """Send LEAVE, once; whatever ends the connection then is the end.

        Raises:
            NotConnected: There is no connection now.
        """
        if self._is_leaving:
            return
        try:
            await self.send(Leave(timestamp_ms=self._clock.unix_ms(), reason=reason))
        finally:
            self._is_leaving = True

    async def drop(self) -> None:
        """End the connection that may be left, where ``keep`` did not run."""
        if self._connection is not None:
            await self._connection.drop()
            self._connection = None

    def conclude(self, error: BaseException | None = None) -> None:
        """Enter the final state and end the events; the first call decides."""
        if self.is_over:
            return
        self.is_over = True
        if self.state.state is not ConnectionState.FAILED:
            self.state.ended()
        self.latency_ms = None
        self.view.apply(MemberList(timestamp_ms=0, members=()))
        self.events.close(error)

    async def _listen(self, connection: Connection) -> str:
        """Take in what comes until the connection ends; tell why it did."""
        try:
            while True:
                match await connection.receive():
                    case Kicked() | SessionClosed() as end:
                        self._tell_end(end)
                        # Before the closing handshake: the program need not
                        # wait for the server's manners.
                        self.conclude()
                        await connection.close()
                        return "over"
                    case MemberList() | MemberJoined() | MemberLeft() as change:
                        for event in self.view.apply(change):
                            self.events.put(event)
                    case Pong() as pong:
                        self._note_latency(connection.measure(pong))
                    case Error(code=code, message=message):
                        self.events.put(ErrorReported(code=code, message=message))
                    case Welcome():
                        log.debug("Ignored another WELCOME from %s", self._url)
        except ConnectionFailed as lost:
            return lost.reason
        finally:
            self.latency_ms = None
            await connection.drop()

    async def _come_back(self, http: aiohttp.ClientSession, reason: str) -> None:
        """Try to get the seat back, as often as the settings allow.

        Raises:
            Refused: Another attempt would not change the server's mind.
            EndedWhileJoining: KICKED or SESSION_CLOSED.
            ReconnectionFailed: Every attempt failed.

        Source: protocol v1.0, "Reconnection Logic"; contract, section 5.
        """
        while self.state.lost():
            self._tell_attempt(reason)
            await self._clock.sleep(self._draw_delay_s())
            try:
                self._sit_down(await self._attempt(http))
            except Refused as refusal:
                if refusal.code in ENDING_CODES:
                    raise
                reason = refusal.message
            except EndedWhileJoining:
                raise
            except ConnectionFailed as failure:
                reason = failure.reason
            else:
                return
        self.events.put(StateChanged(state=self.state.state, reason=reason))
        raise ReconnectionFailed(self._url, reason, self._settings.reconnect_attempts)

    def _draw_delay_s(self) -> float:
        spread = self._settings.reconnect_spread * self._chance()
        return self._settings.reconnect_delay_s * (1 + spread)

    async def _attempt(self, http: aiohttp.ClientSession) -> Seat:
        """Connect and join once, within the connection timeout."""
        connection = Connection(http, self._url, self._settings, self._clock)
        request = msgspec.structs.replace(
            self.request, timestamp_ms=self._clock.unix_ms()
        )
        limit_s = self._settings.connection_timeout_s
        # The first time nothing is to be kept; later the server may hold the
        # seat for the next attempt.
        is_first = self.state.state is ConnectionState.CONNECTING
        try:
            async with time_limit(self._clock, limit_s):
                return await take_seat(connection, request)
        except TimeoutError:
            await connection.drop(leaving=is_first)
            raise ConnectionFailed(
                self._url, f"no {connection.awaited} within {limit_s:g} s"
            ) from None
        except Refused:
            await connection.close()
            raise
        except ConnectionFailed:
            await connection.drop(leaving=is_first)
            raise
        except BaseException:
            await connection.drop(leaving=True)
            raise

    def _sit_down(self, seat: Seat) -> None:
        welcome, before = seat.welcome, self.welcome
        session_id = welcome.session_info.id
        if before is None or before.session_info.id != session_id:
            self.view = MemberView(session_id)
        # Not told one by one: Connected says who is here.
        self.view.apply(
            MemberList(timestamp_ms=welcome.timestamp_ms, members=seat.members)
        )
        self.welcome = welcome
        self._connection = seat.connection
        self.state.welcomed()
        if before is not None:
            log.info("Back in session %s at %s", session_id, self._url)
            self.events.put(StateChanged(state=self.state.state))
        self.events.put(
            Connected(
                session_id=session_id,
                client_id=welcome.client_id,
                session=welcome.session_info,
                members=tuple(self.view.members.values()),
                resumed=before is not None and before.client_id == welcome.client_id,
            )
        )

    def _note_latency(self, latency_ms: float | None) -> None:
        if latency_ms is not None:
            self.latency_ms = latency_ms
            self.events.put(LatencyMeasured(latency_ms=latency_ms))

    def _tell_attempt(self, reason: str) -> None:
        attempt, of = self.state.attempt, self.state.max_attempts
        log.info(
            "No connection to %s: %s (%d of %d attempts next)",
            self._url,
            reason,
            attempt,
            of,
        )
        self.events.put(
            StateChanged(
                state=self.state.state, attempt=attempt, max_attempts=of, reason=reason
            )
        )

    def _tell_end(self, end: Kicked | SessionClosed) -> None:
        session_id = (
            self.welcome.session_info.id if self.welcome else self.request.session_id
        )
        if isinstance(end, Kicked):
            self.events.put(RemovedByHost(session_id=session_id, reason=end.reason))
        else:
            self.events.put(SessionEnded(session_id=session_id, reason=end.reason))
