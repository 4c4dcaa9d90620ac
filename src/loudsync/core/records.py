"""A session as it is kept: what must outlive the process, and what changed of it.

Statuses and latencies are not in it, and a file keeps no connections: after a
restart every seat waits for its device, as after a network loss. Where
connections outlive the process that decides about the session, because they
hang on others, a whole record has them, and who takes it up goes on with them.
"""

import msgspec

from loudsync.core.effects import ConnectionId
from loudsync.core.seat import Seat
from loudsync.core.session_spec import SessionSpec
from loudsync.protocol import DeviceId, MemberId


class SeatRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A seat as it is kept; ``device_id`` is ``None`` for a host not yet there."""

    member_id: MemberId
    device_id: DeviceId | None
    name: str
    is_host: bool
    joined_at_ms: int
    connection: ConnectionId | None = None


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A whole session as it is kept.

    Attributes:
        next_number: The next client's number, so that no id is used twice.
        seats: The host's first, then in order of arrival.
    """

    spec: SessionSpec
    created_at_ms: int
    next_number: int
    seats: tuple[SeatRecord, ...]
    kicked_devices: tuple[DeviceId, ...]


class SessionChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What of a session is not kept yet.

    Attributes:
        ended: Everything kept of it can go; the rest is empty then.
    """

    ended: bool = False
    next_number: int = 1
    seats: tuple[SeatRecord, ...] = ()
    freed: tuple[MemberId, ...] = ()
    kicked_devices: tuple[DeviceId, ...] = ()


class ChangeLog:
    """Notes what changed until somebody takes it to be kept."""

    __slots__ = ("_freed", "_is_new", "_kicked", "_seats")

    def __init__(self, *, is_new: bool = True) -> None:
        self._is_new = is_new
        self._seats: dict[MemberId, Seat] = {}
        self._freed: list[MemberId] = []
        self._kicked: list[DeviceId] = []

    def seated(self, seat: Seat) -> None:
        """Note a seat that is new, or has another device or name."""
        self._seats[seat.member_id] = seat

    def freed(self, seat: Seat) -> None:
        """Note a seat that is gone."""
        self._seats.pop(seat.member_id, None)
        self._freed.append(seat.member_id)

    def kicked(self, device_id: DeviceId) -> None:
        """Note a device that is refused from now on."""
        self._kicked.append(device_id)

    def take(self, next_number: int) -> SessionChanges | None:
        """Return what changed since the last call; ``None``: nothing."""
        if not (self._is_new or self._seats or self._freed or self._kicked):
            return None
        changes = SessionChanges(
            next_number=next_number,
            seats=tuple(map(seat_record, self._seats.values())),
            freed=tuple(self._freed),
            kicked_devices=tuple(self._kicked),
        )
        self.clear()
        return changes

    def clear(self) -> None:
        """Forget what changed."""
        self._is_new = False
        self._seats.clear()
        self._freed.clear()
        self._kicked.clear()


def seat_record(seat: Seat, connection: ConnectionId | None = None) -> SeatRecord:
    """Return a seat as it is kept; its connection only where that is to be."""
    return SeatRecord(
        member_id=seat.member_id,
        device_id=seat.device_id,
        name=seat.name,
        is_host=seat.is_host,
        joined_at_ms=seat.joined_at_ms,
        connection=connection,
    )
