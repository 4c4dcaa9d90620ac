"""Real Python clients in the crowd, each behind a network that breaks."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import loudsync
from loudsync import Client, ConnectionState
from loudsync.core.events import (
    ClientEvent,
    Connected,
    RemovedByHost,
    SessionEnded,
    StateChanged,
)
from loudsync.errors import (
    AlreadyJoined,
    ConnectionFailed,
    LoudSyncError,
    NotConnected,
    SessionNotFound,
    Unauthorized,
)
from loudsync.protocol import DeviceId, LeaveReason, MemberId
from loudsync.testing import FaultProxy
from soak.book import Book
from soak.place import Place
from soak.plan import CLIENT_SETTINGS

if TYPE_CHECKING:
    from soak.crowd import Crowd


_FINE = (AlreadyJoined, ConnectionFailed, NotConnected, SessionNotFound)
"""A seat whose old connection is not known to be gone yet, a network that is
broken, a program that left while joining, a session that was closed."""


class RealClient:
    """A program that joins with ``loudsync.join``, again and again.

    Attributes:
        client: The present one; ``None`` between two.
        network: What it reaches the server through.
        is_cut: Whether the network is broken just now.
    """

    def __init__(self, number: int, place: Place, crowd: "Crowd") -> None:
        self.place = place
        self.client: Client | None = None
        self.network = FaultProxy(place.port)
        self.is_cut = False
        self._number = number
        self._crowd = crowd
        self._devices = 1
        self._book: Book | None = None
        self._member_id: MemberId | None = None
        self._is_resuming = False

    @property
    def is_in(self) -> bool:
        """Whether it is connected."""
        client = self.client
        return client is not None and client.state is ConnectionState.CONNECTED

    async def live(self) -> None:
        """Join, follow, and begin anew after each end, until the run is over."""
        crowd = self._crowd
        async with self.network:
            while not crowd.is_over:
                party = self.place.party
                if party is None or party.is_closed:
                    await asyncio.sleep(0.1)
                    continue
                try:
                    await self._follow(party.book)
                except Unauthorized:
                    if self._device not in party.book.kick_asked:
                        party.book.fault(f"{self._device} was refused")
                    self._devices += 1
                except _FINE as end:
                    crowd.tally.events[f"client: {type(end).__name__}"] += 1
                except LoudSyncError as fault:
                    party.book.fault(f"client {self._number}: {fault!r}")
                finally:
                    self.client = None

    async def break_network(self) -> None:
        """Lose every connection; let new ones through in a while."""
        self.is_cut = True
        await self.network.cut()
        if not self._crowd.is_calm:
            await asyncio.sleep(self._crowd.random.uniform(0.0, 1.5))
        self.network.heal()
        self.is_cut = False

    async def leave(self) -> None:
        """Leave, if it is in; it joins again by itself."""
        client = self.client
        if client is not None:
            with contextlib.suppress(NotConnected):
                await client.leave()

    @property
    def _device(self) -> DeviceId:
        return DeviceId(f"real-{self._number}-{self._devices}")

    async def _follow(self, book: Book) -> None:
        self._book = book
        self._member_id = None
        self.client = client = loudsync.join(
            self.network.url,
            session_id=book.session_id,
            name=f"{book.prefix}client {self._number}",
            device_id=self._device,
            settings=CLIENT_SETTINGS,
        )
        async with client:
            async for event in client:
                self._take(event, book)

    def _take(self, event: ClientEvent, book: Book) -> None:
        events = self._crowd.tally.events
        match event:
            case Connected():
                self._crowd.tally.welcomes += 1
                events[f"client {'resumed' if event.resumed else 'joined'}"] += 1
                note = book.seated(event.client_id, self._device, book.opened_s)
                note.is_close_watched = False
                note.may_leave_as.add(LeaveReason.LEFT)
                if event.resumed and event.client_id != self._member_id:
                    book.fault(f"{self._member_id} resumed as {event.client_id}")
                self._member_id = event.client_id
                for member in event.members:
                    book.check_name(member.name)
            case StateChanged(state=ConnectionState.RECONNECTING):
                events["client reconnecting"] += 1
            case RemovedByHost():
                events["client kicked"] += 1
                if self._device not in book.kick_asked:
                    book.fault(f"{self._device} was kicked, which nobody asked for")
            case SessionEnded(reason=reason):
                book.closed(reason, self.place.host_id)
            case _:
                pass
