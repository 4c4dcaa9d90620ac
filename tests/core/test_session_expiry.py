"""Seats that waited long enough: who, in which order, at what cost."""

import math

import pytest

from core_builders import (
    RULES,
    START_NS,
    CountedInt,
    a_join,
    a_session,
    at,
    comparisons_of,
    connection,
    left,
)
from loudsync.core import NS_PER_S, Moment, Session, SessionRules
from loudsync.protocol import HEARTBEAT_TIMEOUT_S, LeaveReason


def lost_at(*seconds: float) -> Session:
    """Guests 1, 2, …, whose connections were lost at these times."""
    session = a_session(max_members=100)
    for number, when in enumerate(seconds, start=1):
        session.join(a_join(f"device-{number}"), connection(number), at(0))
        session.drop(connection(number), at(when).monotonic_ns, at(when))
    return session


def test_a_seat_waits_three_heartbeats() -> None:
    assert RULES.heartbeat_timeout_ns == HEARTBEAT_TIMEOUT_S * NS_PER_S == 15 * 10**9


def test_nothing_is_ever_due_where_everybody_is_connected() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(0))
    assert session.next_due_ns is None
    assert session.expire(at(10**6)) == []


def test_who_has_waited_longest_goes_first() -> None:
    session = lost_at(3, 1, 2)
    assert session.expire(at(18)) == [
        left(2, LeaveReason.TIMEOUT, 18),
        left(3, LeaveReason.TIMEOUT, 18),
        left(1, LeaveReason.TIMEOUT, 18),
    ]


def test_only_who_is_due_goes() -> None:
    session = lost_at(1, 2)
    assert session.expire(at(16)) == [left(1, LeaveReason.TIMEOUT, 16)]
    assert session.next_due_ns == at(17).monotonic_ns
    assert [m.id for m in session.members()[1:]] == ["client-2"]


def test_repeating_a_call_changes_nothing() -> None:
    session = lost_at(1, 2)
    session.expire(at(16))
    before = session.members()
    assert session.expire(at(16)) == []
    assert session.members() == before


def test_an_expired_seat_is_free_and_its_device_is_somebody_new() -> None:
    session = lost_at(1)
    session.expire(at(16))
    session.join(a_join("device-1"), connection(9), at(16))
    assert [m.id for m in session.members()[1:]] == ["client-2"]


@pytest.mark.parametrize("timeout_s", [1, 15, 60])
def test_the_timeout_is_a_setting(timeout_s: int) -> None:
    session = a_session(rules=SessionRules(heartbeat_timeout_ns=timeout_s * NS_PER_S))
    session.join(a_join("ada"), connection(1), at(0))
    session.drop(connection(1), at(2).monotonic_ns, at(3))
    assert session.expire(at(2 + timeout_s, plus_ns=-1)) == []
    assert session.expire(at(2 + timeout_s)) == [
        left(1, LeaveReason.TIMEOUT, 2 + timeout_s)
    ]


def test_expiring_costs_nothing_for_who_does_not_expire() -> None:
    size = 2_000
    session = a_session(max_members=size + 1)
    for number in range(size):
        session.join(a_join(f"d{number}"), connection(number), at(0))
        last_heartbeat_ns = CountedInt(START_NS + number)
        session.drop(connection(number), last_heartbeat_ns, at(1))
    timeout_ns = RULES.heartbeat_timeout_ns

    def expire(at_ns: int) -> None:
        session.expire(Moment(0, CountedInt(START_NS + timeout_ns + at_ns)))

    assert comparisons_of(lambda: expire(-1)) <= 3
    assert session.member_count == size + 1
    expired = 3
    limit = (expired + 1) * (4 * math.ceil(math.log2(size)) + 20)
    assert comparisons_of(lambda: expire(expired - 1)) <= limit
    assert session.member_count == size + 1 - expired
