"""Going for good: LEAVE, a broken protocol, silence."""

from collections.abc import Callable

import pytest

from core_builders import (
    a_host_join,
    a_join,
    a_session,
    at,
    closed,
    connection,
    host_member,
    left,
    member,
)
from loudsync.core import (
    HOST_ENDED,
    Close,
    ConnectionId,
    Effects,
    Moment,
    Probe,
    Session,
)
from loudsync.core.host import HOST_LOST
from loudsync.protocol import CloseCode, LeaveReason

Going = Callable[[Session, ConnectionId, Moment], Effects]

WAYS = pytest.mark.parametrize(
    ("go", "code", "reason", "if_host"),
    [
        (Session.leave, CloseCode.NORMAL, LeaveReason.LEFT, HOST_ENDED),
        (Session.fault, CloseCode.PROTOCOL_ERROR, LeaveReason.ERROR, HOST_LOST),
        (Session.silence, CloseCode.POLICY_VIOLATION, LeaveReason.TIMEOUT, HOST_LOST),
    ],
    ids=["leave", "fault", "silence"],
)


def two_guests() -> Session:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.join(a_join("bob"), connection(2), at(2))
    return session


@WAYS
def test_the_connection_is_closed_then_the_others_are_told_why(
    go: Going, code: CloseCode, reason: LeaveReason, if_host: str
) -> None:
    session = two_guests()
    assert go(session, connection(1), at(3)) == [
        Close(connection(1), code),
        left(1, reason, 3),
    ]
    assert session.members() == (host_member(), member(2, "Bob", 2))


@WAYS
def test_the_seat_is_free_at_once(
    go: Going, code: CloseCode, reason: LeaveReason, if_host: str
) -> None:
    session = a_session(max_members=2)
    session.join(a_join("ada"), connection(1), at(1))
    go(session, connection(1), at(2))
    session.join(a_join("bob"), connection(2), at(2))
    assert session.members() == (host_member(), member(2, "Bob", 2))


@WAYS
def test_the_device_may_come_again_as_somebody_new(
    go: Going, code: CloseCode, reason: LeaveReason, if_host: str
) -> None:
    session = two_guests()
    go(session, connection(1), at(3))
    session.join(a_join("ada"), connection(3), at(4))
    assert session.members()[-1] == member(3, "Ada", 4)


@WAYS
def test_when_the_host_goes_the_session_is_over(
    go: Going, code: CloseCode, reason: LeaveReason, if_host: str
) -> None:
    session = a_session(remote_host=True)
    session.join(a_host_join(), connection(1), at(1))
    session.join(a_join("ada"), connection(2), at(2))
    assert go(session, connection(1), at(3)) == closed(if_host, 3, 1, 2)
    assert session.ended


@WAYS
def test_a_connection_without_a_seat_changes_nothing(
    go: Going, code: CloseCode, reason: LeaveReason, if_host: str
) -> None:
    session = two_guests()
    before = session.members()
    assert go(session, connection(9), at(3)) == []
    assert session.members() == before


@WAYS
def test_a_second_time_changes_nothing(
    go: Going, code: CloseCode, reason: LeaveReason, if_host: str
) -> None:
    session = two_guests()
    go(session, connection(1), at(3))
    before = session.members()
    assert go(session, connection(1), at(4)) == []
    assert session.members() == before


@WAYS
def test_a_newcomer_that_goes_while_it_waits_for_its_seat_is_not_seated_later(
    go: Going, code: CloseCode, reason: LeaveReason, if_host: str
) -> None:
    session = two_guests()
    assert session.join(a_join("ada"), connection(3), at(3)) == [Probe(connection(1))]
    assert go(session, connection(3), at(4)) == []
    assert session.unanswered(connection(1), at(5)) == []
    assert session.members()[1] == member(1, "Ada", 1)
    # Its place is free for the next, who is probed for anew.
    assert session.join(a_join("ada"), connection(4), at(6)) == [Probe(connection(1))]
