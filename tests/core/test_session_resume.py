"""A lost connection, and the device that comes back to its seat."""

from core_builders import (
    START_NS,
    a_join,
    a_session,
    at,
    connection,
    host_member,
    left,
    member,
    welcomed,
)
from loudsync.core import NS_PER_S, BroadcastList, Detach, Probe, Session
from loudsync.protocol import ConnectionStatus, LeaveReason

RECONNECTING = ConnectionStatus.RECONNECTING


def ada_and_bob() -> Session:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.join(a_join("bob"), connection(2), at(2))
    return session


def ada_lost(*, heartbeat_at: float = 4, lost_at: float = 5) -> Session:
    session = ada_and_bob()
    session.drop(connection(1), at(heartbeat_at).monotonic_ns, at(lost_at))
    return session


def test_a_lost_connection_keeps_the_seat_and_the_others_see_it_reconnecting() -> None:
    session = ada_and_bob()
    effects = session.drop(connection(1), at(4).monotonic_ns, at(5))
    assert effects == [Detach(connection(1)), BroadcastList()]
    assert session.members() == (
        host_member(),
        member(1, "Ada", 1, RECONNECTING),
        member(2, "Bob", 2),
    )


def test_the_seat_waits_until_15_s_after_the_last_heartbeat() -> None:
    session = ada_lost(heartbeat_at=4, lost_at=5)
    assert session.next_due_ns == START_NS + 19 * NS_PER_S
    assert session.expire(at(19, plus_ns=-1)) == []
    assert session.expire(at(19)) == [left(1, LeaveReason.TIMEOUT, 19)]


def test_a_connection_lost_after_the_timeout_expires_at_once() -> None:
    session = ada_lost(heartbeat_at=4, lost_at=100)
    assert session.expire(at(100)) == [left(1, LeaveReason.TIMEOUT, 100)]


def test_the_device_gets_its_seat_back_with_id_and_arrival_and_place() -> None:
    session = ada_lost()
    effects = session.join(a_join("ada"), connection(3), at(6))
    ada = member(1, "Ada", 1)
    assert effects == welcomed(session, 3, ada, 6)
    assert session.members() == (host_member(), ada, member(2, "Bob", 2))
    assert session.next_due_ns is None


def test_a_device_that_came_back_does_not_expire() -> None:
    session = ada_lost()
    session.join(a_join("ada"), connection(3), at(6))
    assert session.expire(at(1_000)) == []


def test_a_device_comes_back_one_nanosecond_before_the_timeout() -> None:
    session = ada_lost(heartbeat_at=4)
    moment = at(19, plus_ns=-1)
    assert session.expire(moment) == []
    session.join(a_join("ada"), connection(3), moment)
    assert session.expire(at(19)) == []
    assert session.members()[1] == member(1, "Ada", 1)


def test_a_device_that_comes_too_late_is_somebody_new() -> None:
    session = ada_lost(heartbeat_at=4)
    session.expire(at(19))
    session.join(a_join("ada"), connection(3), at(19))
    assert session.members() == (
        host_member(),
        member(2, "Bob", 2),
        member(3, "Ada", 19),
    )


def test_a_device_may_come_back_under_another_name() -> None:
    session = ada_lost()
    effects = session.join(a_join("ada", name="Ada L."), connection(3), at(6))
    assert effects == welcomed(session, 3, member(1, "Ada L.", 1), 6)


def test_the_late_end_of_an_old_connection_does_not_touch_the_newer_ones_seat() -> None:
    session = ada_lost()
    session.join(a_join("ada"), connection(3), at(6))
    before = session.members()
    late = connection(1)
    assert session.drop(late, at(6).monotonic_ns, at(7)) == []
    assert session.leave(late, at(7)) == []
    assert session.fault(late, at(7)) == []
    assert session.silence(late, at(7)) == []
    assert session.list_members(late, at(7)) == []
    assert session.kick_for(late, before[2].id, "", at(7)) == []
    assert session.close_for(late, "", at(7)) == []
    assert session.expel(late, "", at(7)) == []
    assert session.answered(late) == []
    assert session.unanswered(late, at(7)) == []
    assert (session.members(), session.next_due_ns) == (before, None)


def test_a_connection_that_is_lost_twice_is_lost_once() -> None:
    session = ada_lost(heartbeat_at=4)
    assert session.drop(connection(1), at(9).monotonic_ns, at(9)) == []
    assert session.next_due_ns == at(19).monotonic_ns


def test_losing_the_connection_again_and_again_keeps_one_deadline() -> None:
    session = ada_lost(heartbeat_at=4)
    session.join(a_join("ada"), connection(3), at(10))
    session.drop(connection(3), at(12).monotonic_ns, at(13))
    assert session.expire(at(27, plus_ns=-1)) == []
    assert session.expire(at(27)) == [left(1, LeaveReason.TIMEOUT, 27)]


def test_a_device_that_has_lost_its_connection_is_not_probed_but_others_are() -> None:
    session = ada_lost()
    assert session.join(a_join("bob"), connection(3), at(6)) == [Probe(connection(2))]
