"""Whether everybody sees the same: every guest, every watcher, the server."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from loudsync.protocol import MemberInfo
from soak.place import Place

if TYPE_CHECKING:
    from soak.crowd import Crowd

Row = tuple[str, str, bool, str, int]


def rows(members: Iterable[MemberInfo]) -> list[Row]:
    """Return what all must agree on, in order; latencies are told now and then."""
    return [
        (
            member.id,
            member.name,
            member.is_host,
            member.connection_status,
            member.joined_at_ms,
        )
        for member in members
    ]


def compare(crowd: "Crowd") -> tuple[int, list[str]]:
    """Compare every view; return how many there are, and what differs in words."""
    compared = 0
    told: list[str] = []
    for place in crowd.places:
        party = place.party
        if party is None or party.is_closed:
            told.append(f"place {place.number} has no session")
            continue
        truth = rows(party.hosted.members)
        views = _views_at(place, crowd)
        compared += len(views)
        told += [
            f"{party.hosted.id}: {who} sees {sorted(set(view) ^ set(truth)) or 'disorder'}"
            for who, view in views.items()
            if view != truth
        ]
        if party.watched is not None:  # events tell who is there, not in which order
            compared += 1
            if sorted(rows(party.watched.values())) != sorted(truth):
                told.append(f"{party.hosted.id}: the program's events tell otherwise")
        if odd := {row[0] for row in truth} ^ _present_at(place, crowd):
            told.append(
                f"{party.hosted.id}: seats without guests, or the reverse: {odd}"
            )
    return compared, told


def _views_at(place: Place, crowd: "Crowd") -> dict[str, list[Row]]:
    views = {
        f"guest {guest.number}": rows(guest.view.members.values())
        for guest in crowd.guests_at(place)
    }
    for each in crowd.clients_at(place):
        if each.client is not None:
            views[each.client.device_id] = rows(each.client.members.values())
    return views


def _present_at(place: Place, crowd: "Crowd") -> set[str]:
    """Return the member ids that guests believe to have, the host's included."""
    present: set[str] = set() if place.is_remote else {place.host_id}
    present |= {
        guest.seat.member_id
        for guest in crowd.guests_at(place)
        if guest.seat is not None
    }
    return present | {
        each.client.client_id
        for each in crowd.clients_at(place)
        if each.client is not None
    }
