"""The end of a session, and that nothing happens after it."""

import pytest

from core_builders import (
    a_host_join,
    a_join,
    a_session,
    at,
    closed,
    connection,
    refusal_of,
)
from loudsync.core import HOST_ENDED, Session
from loudsync.errors import MemberNotFound, Unauthorized
from loudsync.protocol import MemberId

HOST, ADA, BOB = connection(10), connection(1), connection(2)


def a_party() -> Session:
    session = a_session(remote_host=True)
    session.join(a_host_join(), HOST, at(0))
    session.join(a_join("ada"), ADA, at(1))
    session.join(a_join("bob"), BOB, at(2))
    return session


def test_everybody_is_told_the_host_included_then_closed_with_1000() -> None:
    session = a_party()
    assert session.close("Good night", at(3)) == closed("Good night", 3, 10, 1, 2)
    assert session.ended


def test_a_session_may_end_without_a_reason() -> None:
    session = a_party()
    assert session.close("", at(3)) == closed("", 3, 10, 1, 2)


def test_members_without_a_connection_have_none_to_close() -> None:
    session = a_party()
    session.drop(ADA, at(2).monotonic_ns, at(2))
    assert session.close("over", at(3)) == closed("over", 3, 10, 2)


def test_an_empty_session_just_ends() -> None:
    assert a_session().close("over", at(3)) == closed("over", 3)


def test_nothing_happens_after_the_end() -> None:
    session = a_party()
    session.drop(BOB, at(2).monotonic_ns, at(2))
    session.close("over", at(3))
    assert session.next_due_ns is None
    for link in (HOST, ADA, BOB):
        assert session.leave(link, at(4)) == []
        assert session.drop(link, at(4).monotonic_ns, at(4)) == []
        assert session.fault(link, at(4)) == []
        assert session.silence(link, at(4)) == []
        assert session.expel(link, "", at(4)) == []
        assert session.answered(link) == []
        assert session.unanswered(link, at(4)) == []
        assert session.list_members(link, at(4)) == []
        assert session.kick_for(link, MemberId("client-1"), "", at(4)) == []
        assert session.close_for(link, "", at(4)) == []
        session.measured(link, 23)
    assert session.close("again", at(4)) == []
    assert session.expire(at(10_000)) == []
    assert session.next_due_ns is None
    assert session.members() == ()
    assert session.member_count == 0


def test_nobody_can_be_kicked_after_the_end() -> None:
    session = a_party()
    session.close("over", at(3))
    refusal = refusal_of(session, lambda: session.kick(MemberId("client-1"), "", at(4)))
    assert isinstance(refusal, MemberNotFound)


def test_the_host_may_ask_for_the_end_with_or_without_a_reason() -> None:
    assert a_party().close_for(HOST, "Bye", at(3)) == closed("Bye", 3, 10, 1, 2)
    assert a_party().close_for(HOST, "", at(3)) == closed(HOST_ENDED, 3, 10, 1, 2)


def test_a_guest_may_not() -> None:
    session = a_party()
    refusal = refusal_of(session, lambda: session.close_for(ADA, "Bye", at(3)))
    assert isinstance(refusal, Unauthorized)
    assert refusal.message == "Only the host may close the session"


@pytest.mark.parametrize("number", [9, 3])
def test_who_has_no_seat_gets_no_answer(number: int) -> None:
    session = a_party()
    assert session.close_for(connection(number), "", at(3)) == []
    assert not session.ended
