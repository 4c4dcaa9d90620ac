"""The host removes a member; a limit removes one."""

import pytest

from core_builders import (
    HOST_ID,
    a_host_join,
    a_join,
    a_session,
    at,
    connection,
    host_member,
    kicked,
    left,
    member,
    refusal_of,
    welcomed,
)
from loudsync.core import BroadcastList, Close, Refuse, Session
from loudsync.core.host import HOST_KICKED_YOU, HOST_LOST
from loudsync.errors import InvalidMessage, MemberNotFound, Unauthorized
from loudsync.protocol import CloseCode, ConnectionStatus, LeaveReason, MemberId

HOST, ADA, BOB = connection(10), connection(1), connection(2)
ADA_ID = MemberId("client-1")


def a_party() -> Session:
    """A remote host, Ada and Bob."""
    session = a_session(remote_host=True)
    session.join(a_host_join(), HOST, at(0))
    session.join(a_join("ada"), ADA, at(1))
    session.join(a_join("bob"), BOB, at(2))
    return session


def test_a_kicked_member_is_told_and_closed_then_the_others_are_told() -> None:
    session = a_party()
    assert session.kick(ADA_ID, "Too loud", at(3)) == [
        kicked(1, "Too loud", 3),
        Close(ADA, CloseCode.NORMAL),
        left(1, LeaveReason.KICKED, 3),
    ]
    assert session.members() == (host_member("Laptop"), member(2, "Bob", 2))


def test_a_kick_without_a_reason_gets_the_specifications_words() -> None:
    session = a_party()
    assert session.kick(ADA_ID, "", at(3))[0] == kicked(1, HOST_KICKED_YOU, 3)


@pytest.mark.parametrize("seconds", [3, 3_600, 86_400])
def test_a_kicked_device_is_refused_for_as_long_as_the_session_lives(
    seconds: float,
) -> None:
    session = a_party()
    session.kick(ADA_ID, "", at(3))
    again = a_join("ada", name="Not Ada")
    refusal = refusal_of(
        session, lambda: session.join(again, connection(9), at(seconds))
    )
    assert isinstance(refusal, Unauthorized)


def test_a_kicked_device_is_refused_even_with_the_hosts_token() -> None:
    session = a_party()
    session.kick(ADA_ID, "", at(3))
    refusal = refusal_of(
        session, lambda: session.join(a_host_join("ada"), connection(9), at(4))
    )
    assert isinstance(refusal, Unauthorized)


def test_a_member_that_is_reconnecting_can_be_kicked_and_does_not_come_back() -> None:
    session = a_party()
    session.drop(ADA, at(3).monotonic_ns, at(3))
    assert session.kick(ADA_ID, "", at(4)) == [left(1, LeaveReason.KICKED, 4)]
    assert session.next_due_ns is None
    refusal = refusal_of(
        session, lambda: session.join(a_join("ada"), connection(9), at(5))
    )
    assert isinstance(refusal, Unauthorized)


def test_a_kicked_seat_is_free() -> None:
    session = a_session(max_members=2)
    session.join(a_join("ada"), ADA, at(1))
    session.kick(ADA_ID, "", at(2))
    assert session.join(a_join("bob"), BOB, at(3)) == welcomed(
        session, 2, member(2, "Bob", 3), 3
    )


@pytest.mark.parametrize("nobody", ["", "client-99", "ada"])
def test_a_member_id_that_nobody_has_is_an_invalid_message(nobody: str) -> None:
    session = a_party()
    refusal = refusal_of(session, lambda: session.kick(MemberId(nobody), "", at(3)))
    assert isinstance(refusal, MemberNotFound)
    assert refusal.code == "invalid_message"
    assert refusal.path == "$.memberId"
    assert refusal.member_id == nobody


def test_who_left_can_not_be_kicked_any_more() -> None:
    session = a_party()
    session.leave(ADA, at(3))
    refusal = refusal_of(session, lambda: session.kick(ADA_ID, "", at(4)))
    assert isinstance(refusal, MemberNotFound)


def test_the_host_can_not_kick_itself() -> None:
    session = a_party()
    refusal = refusal_of(session, lambda: session.kick_for(HOST, HOST_ID, "", at(3)))
    assert isinstance(refusal, InvalidMessage)
    assert refusal.path == "$.memberId"


# --- Who may ask ----------------------------------------------------------------


def test_the_host_may_ask_for_it() -> None:
    session = a_party()
    assert session.kick_for(HOST, ADA_ID, "Too loud", at(3)) == [
        kicked(1, "Too loud", 3),
        Close(ADA, CloseCode.NORMAL),
        left(1, LeaveReason.KICKED, 3),
    ]


@pytest.mark.parametrize("target", ["client-1", "client-2", "host-1", "client-99"])
def test_a_guest_may_not_whoever_it_names(target: str) -> None:
    session = a_party()
    refusal = refusal_of(
        session, lambda: session.kick_for(BOB, MemberId(target), "", at(3))
    )
    assert isinstance(refusal, Unauthorized)
    assert refusal.message == "Only the host may kick"


def test_who_has_no_seat_gets_no_answer() -> None:
    session = a_party()
    assert session.kick_for(connection(9), ADA_ID, "", at(3)) == []
    assert session.member_count == 3


# --- Breaking a limit -----------------------------------------------------------


def test_who_breaks_a_limit_is_kicked_closed_with_1008_and_may_come_again() -> None:
    session = a_party()
    assert session.expel(ADA, "Too many messages", at(3)) == [
        kicked(1, "Too many messages", 3),
        Close(ADA, CloseCode.POLICY_VIOLATION),
        left(1, LeaveReason.KICKED, 3),
    ]
    session.join(a_join("ada"), connection(4), at(4))
    assert session.members()[-1] == member(3, "Ada", 4)


def test_a_host_that_breaks_a_limit_keeps_its_seat_as_after_a_network_loss() -> None:
    session = a_party()
    effects = session.expel(HOST, "Too many messages", at(3))
    assert effects == [
        kicked(10, "Too many messages", 3),
        Close(HOST, CloseCode.POLICY_VIOLATION, "Too many messages"),
        BroadcastList(),
    ]
    assert session.host == host_member("Laptop", ConnectionStatus.RECONNECTING)
    assert session.next_due_ns == at(18).monotonic_ns
    assert session.expire(at(18, plus_ns=-1)) == []
    session.expire(at(18))
    assert session.ended


def test_a_host_that_breaks_a_limit_makes_way_for_who_waits_for_its_seat() -> None:
    session = a_party()
    session.join(a_host_join("tablet"), connection(11), at(3))
    effects = session.expel(HOST, "Too many messages", at(4))
    assert effects == [
        kicked(10, "Too many messages", 4),
        Close(HOST, CloseCode.POLICY_VIOLATION, "Too many messages"),
        *welcomed(session, 11, host_member("Tablet"), 4),
    ]


def test_who_breaks_a_limit_while_challenged_takes_the_newcomer_along() -> None:
    session = a_party()
    session.join(a_join("ada"), connection(4), at(3))
    effects = session.expel(ADA, "Too many messages", at(4))
    assert [type(effect) for effect in effects[:1]] == [Refuse]
    assert effects[1:] == [
        kicked(1, "Too many messages", 4),
        Close(ADA, CloseCode.POLICY_VIOLATION),
        left(1, LeaveReason.KICKED, 4),
    ]


def test_expelling_a_connection_without_a_seat_changes_nothing() -> None:
    session = a_party()
    before = session.members()
    assert session.expel(connection(9), HOST_LOST, at(3)) == []
    assert session.members() == before
