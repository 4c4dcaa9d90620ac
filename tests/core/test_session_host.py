"""A remote host: its token, its absence, its coming back."""

import pytest

from core_builders import (
    HOST_ID,
    TOKEN,
    a_host_join,
    a_join,
    a_session,
    at,
    closed,
    connection,
    host_member,
    left,
    member,
    refusal_of,
    welcomed,
)
from loudsync.core import (
    HOST_ENDED,
    NS_PER_S,
    BroadcastList,
    Close,
    Detach,
    Session,
    SessionRules,
)
from loudsync.core.host import HOST_LOST, HOST_NEVER_CAME
from loudsync.errors import AlreadyJoined, Unauthorized
from loudsync.protocol import CloseCode, ConnectionStatus, LeaveReason

HOST, ADA = connection(10), connection(1)
AWAY = ConnectionStatus.DISCONNECTED


def hosted() -> Session:
    session = a_session(remote_host=True)
    session.join(a_host_join(), HOST, at(1))
    return session


def test_the_host_seat_exists_from_the_start_and_is_disconnected() -> None:
    session = a_session(remote_host=True)
    assert session.members() == (host_member(status=AWAY),)
    assert session.member_count == 1


def test_the_host_joins_with_its_token_and_is_called_what_it_says() -> None:
    session = a_session(remote_host=True)
    effects = session.join(a_host_join("laptop"), HOST, at(1))
    assert effects == welcomed(session, 10, host_member("Laptop"), 1)
    assert session.host.id == HOST_ID
    assert session.next_due_ns is None


def test_guests_that_came_first_see_the_host_join() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    effects = session.join(a_host_join(), HOST, at(2))
    assert effects == welcomed(session, 10, host_member("Laptop"), 2)
    assert session.members() == (host_member("Laptop"), member(1, "Ada", 1))


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + " ", TOKEN[:-1]])
def test_no_token_or_a_wrong_one_is_unauthorized(token: str) -> None:
    session = a_session(remote_host=True)
    refusal = refusal_of(
        session, lambda: session.join(a_host_join(token=token), HOST, at(1))
    )
    assert isinstance(refusal, Unauthorized)
    assert token == "" or token not in refusal.message


@pytest.mark.parametrize("token", ["", TOKEN])
def test_nobody_joins_as_the_host_where_it_is_the_servers_own_process(
    token: str,
) -> None:
    session = a_session()
    refusal = refusal_of(
        session, lambda: session.join(a_host_join(token=token), HOST, at(1))
    )
    assert isinstance(refusal, Unauthorized)


def test_a_guests_token_is_not_looked_at() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    assert session.members()[1] == member(1, "Ada", 1)


# --- One device, one seat -------------------------------------------------------


def test_a_guests_device_must_leave_before_it_can_host() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("laptop"), ADA, at(1))
    refusal = refusal_of(
        session, lambda: session.join(a_host_join("laptop"), HOST, at(2))
    )
    assert isinstance(refusal, AlreadyJoined)
    session.leave(ADA, at(3))
    session.join(a_host_join("laptop"), HOST, at(4))
    assert session.members() == (host_member("Laptop"),)


@pytest.mark.parametrize("is_lost", [True, False])
def test_the_hosts_device_gets_no_guests_seat_and_not_the_hosts_without_the_token(
    is_lost: bool,
) -> None:
    session = hosted()
    if is_lost:
        session.drop(HOST, at(2).monotonic_ns, at(2))
    refusal = refusal_of(session, lambda: session.join(a_join("laptop"), ADA, at(3)))
    assert isinstance(refusal, AlreadyJoined)


# --- Losing the host and getting it back ----------------------------------------


def test_a_lost_host_keeps_its_seat_until_the_timeout_then_the_session_ends() -> None:
    session = hosted()
    session.join(a_join("ada"), ADA, at(2))
    assert session.drop(HOST, at(4).monotonic_ns, at(5)) == [
        Detach(HOST),
        BroadcastList(),
    ]
    assert session.host.connection_status is ConnectionStatus.RECONNECTING
    assert session.expire(at(19, plus_ns=-1)) == []
    assert session.expire(at(19)) == closed(HOST_LOST, 19, 1)
    assert session.ended


def test_a_host_that_comes_back_in_time_gets_its_seat_and_joined_at() -> None:
    session = hosted()
    session.drop(HOST, at(4).monotonic_ns, at(5))
    effects = session.join(a_host_join("laptop"), connection(11), at(6))
    assert effects == welcomed(session, 11, host_member("Laptop"), 6)
    assert session.expire(at(1_000)) == []


def test_a_lost_host_may_come_back_on_another_device_with_the_token() -> None:
    session = hosted()
    session.drop(HOST, at(4).monotonic_ns, at(5))
    effects = session.join(a_host_join("tablet"), connection(11), at(6))
    assert effects == welcomed(session, 11, host_member("Tablet"), 6)
    session.join(a_join("laptop"), ADA, at(7))
    assert session.members()[1] == member(1, "Laptop", 7)


def test_guests_that_are_due_before_the_host_go_first_then_the_session() -> None:
    session = hosted()
    session.join(a_join("ada"), ADA, at(2))
    session.drop(ADA, at(3).monotonic_ns, at(5))
    session.drop(HOST, at(4).monotonic_ns, at(5))
    assert session.expire(at(30)) == [
        left(1, LeaveReason.TIMEOUT, 30),
        *closed(HOST_LOST, 30),
    ]


def test_guests_that_are_due_after_the_host_go_with_the_session() -> None:
    session = hosted()
    session.join(a_join("ada"), ADA, at(2))
    session.drop(HOST, at(3).monotonic_ns, at(5))
    session.drop(ADA, at(4).monotonic_ns, at(5))
    assert session.expire(at(30)) == closed(HOST_LOST, 30)
    assert session.members() == ()


# --- A host that never came -----------------------------------------------------


def test_an_empty_session_waits_60_s_for_its_host() -> None:
    session = a_session(remote_host=True)
    assert session.next_due_ns == at(60).monotonic_ns
    assert session.expire(at(60, plus_ns=-1)) == []
    assert session.expire(at(60)) == closed(HOST_NEVER_CAME, 60)
    assert session.ended


def test_with_guests_in_it_a_session_waits_10_minutes_for_its_host() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    assert session.expire(at(60)) == []
    assert session.next_due_ns == at(600).monotonic_ns
    assert session.expire(at(600, plus_ns=-1)) == []
    assert session.expire(at(600)) == closed(HOST_NEVER_CAME, 600, 1)


def test_a_host_that_comes_late_is_waited_for_no_more() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    session.expire(at(60))
    session.join(a_host_join(), HOST, at(599))
    assert session.next_due_ns is None
    assert session.expire(at(10_000)) == []


def test_a_host_that_has_come_and_gone_is_waited_for_as_long_as_any_member() -> None:
    session = hosted()
    session.drop(HOST, at(20).monotonic_ns, at(20))
    session.join(a_join("ada"), ADA, at(21))
    assert session.expire(at(35, plus_ns=-1)) == []
    assert session.expire(at(35)) == closed(HOST_LOST, 35, 1)


def test_a_session_deserted_within_the_60_s_still_waits_the_60_s() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    session.leave(ADA, at(30))
    assert session.expire(at(60, plus_ns=-1)) == []
    assert session.expire(at(60)) == closed(HOST_NEVER_CAME, 60)


def test_a_session_deserted_after_the_60_s_waits_no_longer() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    session.expire(at(60))
    assert session.leave(ADA, at(100)) == [
        Close(ADA, CloseCode.NORMAL),
        left(1, LeaveReason.LEFT, 100),
    ]
    assert session.next_due_ns == at(100).monotonic_ns
    assert session.expire(at(100)) == closed(HOST_NEVER_CAME, 100)


def test_a_guest_that_comes_before_the_deserted_session_ends_keeps_it_open() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    session.expire(at(60))
    session.leave(ADA, at(100))
    session.join(a_join("bob"), connection(2), at(100))
    assert session.expire(at(100)) == []
    assert session.next_due_ns == at(600).monotonic_ns


def test_a_guest_that_leaves_another_behind_does_not_end_the_wait() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    session.join(a_join("bob"), connection(2), at(1))
    session.expire(at(60))
    session.leave(ADA, at(100))
    assert session.next_due_ns == at(600).monotonic_ns


def test_when_the_last_guest_expires_the_deserted_session_ends_with_it() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    session.expire(at(60))
    session.drop(ADA, at(90).monotonic_ns, at(91))
    assert session.expire(at(105)) == [
        left(1, LeaveReason.TIMEOUT, 105),
        *closed(HOST_NEVER_CAME, 105),
    ]
    assert session.expire(at(105)) == []


def test_the_waiting_times_are_settings() -> None:
    rules = SessionRules(host_wait_ns=2 * NS_PER_S, host_wait_max_ns=5 * NS_PER_S)
    session = a_session(remote_host=True, rules=rules)
    session.join(a_join("ada"), ADA, at(1))
    assert session.expire(at(2)) == []
    assert session.expire(at(5, plus_ns=-1)) == []
    assert session.expire(at(5)) == closed(HOST_NEVER_CAME, 5, 1)


def test_a_host_that_leaves_ends_the_session_for_everybody() -> None:
    session = hosted()
    session.join(a_join("ada"), ADA, at(2))
    assert session.leave(HOST, at(3)) == closed(HOST_ENDED, 3, 10, 1)
