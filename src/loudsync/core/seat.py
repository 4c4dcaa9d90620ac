"""A seat: what a member holds, with or without a connection."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from loudsync.core.effects import ConnectionId
from loudsync.protocol import ConnectionStatus, DeviceId, MemberId, MemberInfo


class SeatTrigger(StrEnum):
    """What can happen to a seat."""

    JOIN = "its device joins"
    DROP = "its connection is lost"
    LEAVE = "its member leaves"
    KICK = "its member is kicked"
    FAULT = "its connection breaks the protocol"
    SILENCE = "no HEARTBEAT for 15 s"


FREED: Final = None
"""Where a seat ends: nobody holds it."""

_CONNECTED = ConnectionStatus.CONNECTED
_RECONNECTING = ConnectionStatus.RECONNECTING
_DISCONNECTED = ConnectionStatus.DISCONNECTED

SEAT_TRANSITIONS: Final = MappingProxyType(
    {
        # A new seat. Only the host's is seen so: it is there before its member
        # (contract, section 4).
        (_DISCONNECTED, SeatTrigger.JOIN): _CONNECTED,
        (_CONNECTED, SeatTrigger.JOIN): _CONNECTED,
        (_CONNECTED, SeatTrigger.DROP): _RECONNECTING,
        (_CONNECTED, SeatTrigger.LEAVE): FREED,
        (_CONNECTED, SeatTrigger.KICK): FREED,
        (_CONNECTED, SeatTrigger.FAULT): FREED,
        (_CONNECTED, SeatTrigger.SILENCE): FREED,
        (_RECONNECTING, SeatTrigger.JOIN): _CONNECTED,
        (_RECONNECTING, SeatTrigger.KICK): FREED,
        (_RECONNECTING, SeatTrigger.SILENCE): FREED,
    }
)
"""Every change a seat can make; what is not here can't happen.

A connected seat that is joined changes connection: its device came back while
the old connection was dead (contract, section 5).
"""


class Challenger:
    """The same device on a newer connection, waiting for the old one's end."""

    __slots__ = ("connection", "device_id", "name")

    def __init__(self, connection: ConnectionId, device_id: DeviceId, name: str):
        self.connection = connection
        self.device_id = device_id
        self.name = name


class Seat:
    """One seat and its state.

    Attributes:
        connection: Who speaks for the member; ``None`` unless connected, and
            for a host in the server's own process.
        challenger: Who wants the seat of a connection that may be dead.
    """

    __slots__ = (
        "_info",
        "_latency_ms",
        "_name",
        "_status",
        "challenger",
        "connection",
        "device_id",
        "is_host",
        "joined_at_ms",
        "member_id",
    )

    def __init__(
        self,
        member_id: MemberId,
        name: str,
        *,
        device_id: DeviceId | None,
        is_host: bool,
        joined_at_ms: int,
        status: ConnectionStatus,
        connection: ConnectionId | None = None,
    ) -> None:
        self.member_id = member_id
        self.device_id = device_id
        self.is_host = is_host
        self.joined_at_ms = joined_at_ms
        self.connection = connection
        self.challenger: Challenger | None = None
        self._name = name
        self._status = status
        self._latency_ms: int | None = None
        self._info: MemberInfo | None = None

    @property
    def status(self) -> ConnectionStatus:
        """What others see of the member's connection."""
        return self._status

    @property
    def name(self) -> str:
        """What the member is called."""
        return self._name

    @property
    def info(self) -> MemberInfo:
        """The member as everybody sees it; the same object until it changes."""
        if self._info is None:
            self._info = MemberInfo(
                id=self.member_id,
                name=self._name,
                is_host=self.is_host,
                connection_status=self._status,
                joined_at_ms=self.joined_at_ms,
                latency_ms=self._latency_ms,
            )
        return self._info

    def seat_device(
        self, connection: ConnectionId, device_id: DeviceId, name: str
    ) -> None:
        """Let a device speak for the member, under the name it gives now."""
        self.apply(SeatTrigger.JOIN)
        self.connection = connection
        self.device_id = device_id
        self.challenger = None
        self._name = name

    def measured(self, latency_ms: int) -> None:
        """Note the member's latency, in whole milliseconds."""
        self._latency_ms = latency_ms
        self._info = None

    def apply(self, trigger: SeatTrigger) -> bool:
        """Make the change the table has for ``trigger``.

        Returns:
            Whether the seat is still held.

        Raises:
            KeyError: No such change exists: a fault in the rules themselves.
        """
        status = SEAT_TRANSITIONS[self._status, trigger]
        self._info = None
        if status is FREED:
            self._status = _DISCONNECTED
            self.connection = None
            return False
        self._status = status
        if status is not _CONNECTED:
            self.connection = None
        return True
