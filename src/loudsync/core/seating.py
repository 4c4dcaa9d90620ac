"""Who sits where: a session's seats, found by member, device and connection."""

from collections.abc import Iterator

from loudsync.core.effects import ConnectionId
from loudsync.core.seat import Challenger, Seat, SeatTrigger
from loudsync.protocol import DeviceId, MemberId


class Seating:
    """The seats of a session in order of arrival, and every way to find one.

    A seat is added once and freed once; in between it is occupied and vacated
    as its device's connections come and go. The indexes never disagree with
    what the seats themselves say.

    Attributes:
        revision: Grows with each change of who sits where, and on which connection.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._seats: dict[MemberId, Seat] = {}
        self._by_device: dict[DeviceId, Seat] = {}
        self._by_connection: dict[ConnectionId, Seat] = {}
        self._wanted: dict[ConnectionId, Seat] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def __iter__(self) -> Iterator[Seat]:
        return iter(self._seats.values())

    def __getitem__(self, member_id: MemberId) -> Seat:
        return self._seats[member_id]

    def of_member(self, member_id: MemberId) -> Seat | None:
        """Find a seat by its member."""
        return self._seats.get(member_id)

    def of_device(self, device_id: DeviceId) -> Seat | None:
        """Find the seat that a device has."""
        return self._by_device.get(device_id)

    def of_connection(self, connection: ConnectionId) -> Seat | None:
        """Find the seat that a connection speaks for; not one it waits for."""
        return self._by_connection.get(connection)

    def connections(self) -> list[ConnectionId]:
        """Return every connection that speaks for a seat."""
        return list(self._by_connection)

    def add(self, seat: Seat) -> None:
        """Put a seat up; its connection, if it has one, speaks for it."""
        self.revision += 1
        self._seats[seat.member_id] = seat
        if seat.device_id is not None:
            self._by_device[seat.device_id] = seat
        if seat.connection is not None:
            self._by_connection[seat.connection] = seat

    def occupy(
        self, seat: Seat, connection: ConnectionId, device_id: DeviceId, name: str
    ) -> None:
        """Let a device's connection speak for a seat, instead of whoever did."""
        self.revision += 1
        self._forget_device(seat)
        if seat.connection is not None:
            del self._by_connection[seat.connection]
        seat.seat_device(connection, device_id, name)
        self._by_device[device_id] = seat
        self._by_connection[connection] = seat

    def vacate(self, seat: Seat, connection: ConnectionId) -> None:
        """Keep a seat whose connection was lost."""
        self.revision += 1
        del self._by_connection[connection]
        seat.apply(SeatTrigger.DROP)

    def free(self, seat: Seat, trigger: SeatTrigger) -> None:
        """Take a seat down: nobody holds it any more."""
        self.revision += 1
        if seat.connection is not None:
            del self._by_connection[seat.connection]
        self._forget_device(seat)
        seat.apply(trigger)
        del self._seats[seat.member_id]

    def clear(self) -> None:
        """Take every seat down at once."""
        for index in (self._seats, self._by_device, self._by_connection, self._wanted):
            index.clear()

    # --- Challengers: who waits for a seat whose connection may be dead -------

    def set_challenger(self, seat: Seat, challenger: Challenger) -> None:
        """Let a newer connection of the seat's device wait for it."""
        seat.challenger = challenger
        self._wanted[challenger.connection] = seat

    def pop_challenger(self, seat: Seat) -> Challenger | None:
        """Let nobody wait for the seat; return who did."""
        challenger, seat.challenger = seat.challenger, None
        if challenger is not None:
            del self._wanted[challenger.connection]
        return challenger

    def is_waiting(self, connection: ConnectionId) -> bool:
        """Tell whether a connection waits for a seat."""
        return connection in self._wanted

    def forget_challenger(self, connection: ConnectionId) -> None:
        """Let this connection wait no more; no error where it does not."""
        if (seat := self._wanted.pop(connection, None)) is not None:
            seat.challenger = None

    def _forget_device(self, seat: Seat) -> None:
        if seat.device_id is not None:
            self._by_device.pop(seat.device_id, None)
