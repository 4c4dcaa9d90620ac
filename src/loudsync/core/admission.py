"""The checks of a JOIN, in the order in which they are made.

Message valid (the codec's), version, session exists (the registry's), allowed,
the device's own seat, a seat free, room to keep it. Identity comes before
capacity: a device with a seat is never told that the session, or the disk, is
full.

Source: protocol v1.0, "Server Validation"; contract, section 3.
"""

from collections.abc import Container

from loudsync.core.host import token_matches
from loudsync.core.seat import Seat
from loudsync.core.seating import Seating
from loudsync.errors import (
    STORAGE_FULL,
    AlreadyJoined,
    SessionFull,
    Unauthorized,
    VersionMismatch,
)
from loudsync.protocol import PROTOCOL_VERSION, DeviceId, DeviceType, Join


def check_version(requested: str) -> None:
    """Refuse another major version than ours.

    Raises:
        VersionMismatch: With ``supported`` and ``requested``.
    """
    if _major(requested) != _major(PROTOCOL_VERSION):
        raise VersionMismatch(
            f"This server speaks version {PROTOCOL_VERSION}, not {requested}",
            {"supported": PROTOCOL_VERSION, "requested": requested},
        )


def check_allowed(
    request: Join, token_hash: bytes | None, kicked: Container[DeviceId]
) -> None:
    """Refuse a host without the token, and a device that was kicked.

    Raises:
        Unauthorized: Either of these.
    """
    device = request.device_info
    if device.type is DeviceType.HOST and not token_matches(request.token, token_hash):
        raise Unauthorized("Joining as the host needs the session's host token")
    if device.id in kicked:
        raise Unauthorized("The host removed this device from the session")


def own_seat(request: Join, seating: Seating, host: Seat) -> Seat | None:
    """Find the seat that is the device's own.

    The host's seat belongs to who has the token, on whatever device, and
    never to a device without it.

    Raises:
        AlreadyJoined: The device has, or waits for, the other kind of seat.
    """
    held = seating.of_device(request.device_info.id)
    if request.device_info.type is DeviceType.HOST:
        if held is not None and held is not host:
            raise AlreadyJoined("This device has a seat as a guest; leave first")
        return host
    if held is host:
        raise AlreadyJoined("This device has the host's seat; leave first")
    waiting = host.challenger
    if waiting is not None and waiting.device_id == request.device_info.id:
        raise AlreadyJoined("This device waits for the host's seat")
    return held


def check_seat_free(seating: Seating, max_members: int) -> None:
    """Refuse one member too many.

    Raises:
        SessionFull: With ``maxMembers`` and ``currentMembers``.
    """
    if len(seating) >= max_members:
        raise SessionFull(
            f"Session has reached maximum capacity ({max_members} members)",
            {"maxMembers": max_members, "currentMembers": len(seating)},
        )


def check_room(seating: Seating, max_members: int, *, has_room: bool) -> None:
    """Refuse a seat that could not be kept.

    The specification's codes have none for it; what a client should do is the
    same as where every seat is taken, and ``reason`` tells the two apart.

    Raises:
        SessionFull: With ``reason`` ``storage_full`` as well.
    """
    if not has_room:
        raise SessionFull(
            "The server can't save new seats now: its disk is full; try again later",
            {
                "maxMembers": max_members,
                "currentMembers": len(seating),
                "reason": STORAGE_FULL,
            },
        )


def _major(version: str) -> int:
    return int(version.split(".", 1)[0])
