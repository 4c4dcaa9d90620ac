"""JOIN: who gets a seat, what is checked in which order, who is told what."""

import pytest

from core_builders import (
    HOST_ID,
    START_MS,
    a_host_join,
    a_join,
    a_session,
    at,
    connection,
    host_member,
    member,
    refusal_of,
    welcomed,
)
from loudsync.core import Attach, Broadcast, Probe, Send
from loudsync.errors import AlreadyJoined, SessionFull, SessionNotFound, Unauthorized
from loudsync.protocol import (
    ConnectionStatus,
    MemberJoined,
    MemberList,
    SessionInfo,
    Welcome,
)


def test_a_new_session_shows_what_it_was_created_from() -> None:
    session = a_session()
    assert session.id == "abc123"
    assert session.info == SessionInfo(id=session.id, name="The Party", host_id=HOST_ID)
    assert session.created_at_ms == START_MS
    assert session.ended is False


def test_a_host_in_this_process_is_there_from_the_start() -> None:
    session = a_session()
    assert session.host == host_member()
    assert session.members() == (host_member(),)
    assert session.next_due_ns is None


def test_a_newcomer_is_welcomed_gets_the_list_and_the_others_are_told() -> None:
    session = a_session()
    effects = session.join(a_join("ada"), connection(1), at(3))
    ada = member(1, "Ada", 3)
    stamp = at(3).unix_ms
    assert effects == [
        Attach(connection(1), ada.id),
        Send(
            connection(1),
            Welcome(timestamp_ms=stamp, client_id=ada.id, session_info=session.info),
        ),
        Send(
            connection(1), MemberList(timestamp_ms=stamp, members=(host_member(), ada))
        ),
        Broadcast(MemberJoined(timestamp_ms=stamp, member=ada), omit=connection(1)),
    ]


def test_the_list_has_the_host_first_then_everybody_in_order_of_arrival() -> None:
    session = a_session()
    session.join(a_join("zoe"), connection(1), at(1))
    session.join(a_join("ada"), connection(2), at(2))
    assert session.members() == (
        host_member(),
        member(1, "Zoe", 1),
        member(2, "Ada", 2),
    )
    assert session.member_list(at(9)) == MemberList(
        timestamp_ms=at(9).unix_ms, members=session.members()
    )
    assert session.member_count == 3


def test_two_devices_may_have_the_same_name() -> None:
    session = a_session()
    session.join(a_join("phone", name="Ada"), connection(1), at(1))
    session.join(a_join("tablet", name="Ada"), connection(2), at(2))
    assert [m.id for m in session.members()] == [HOST_ID, "client-1", "client-2"]


def test_a_member_id_is_never_used_twice() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.leave(connection(1), at(2))
    effects = session.join(a_join("ada"), connection(2), at(3))
    assert effects == welcomed(session, 2, member(2, "Ada", 3), 3)


# --- Capacity -------------------------------------------------------------------


def test_the_last_free_seat_is_given_and_no_further() -> None:
    session = a_session(max_members=3)
    session.join(a_join("ada"), connection(1), at(1))
    session.join(a_join("bob"), connection(2), at(1))
    refusal = refusal_of(
        session, lambda: session.join(a_join("cyd"), connection(3), at(1))
    )
    assert isinstance(refusal, SessionFull)
    assert refusal.details == {"maxMembers": 3, "currentMembers": 3}
    assert refusal.message == "Session has reached maximum capacity (3 members)"


def test_the_host_has_one_of_the_seats_whether_it_is_there_or_not() -> None:
    session = a_session(max_members=1, remote_host=True)
    refusal = refusal_of(
        session, lambda: session.join(a_join("ada"), connection(1), at(1))
    )
    assert isinstance(refusal, SessionFull)


def test_the_remote_host_is_never_told_that_its_session_is_full() -> None:
    session = a_session(max_members=2, remote_host=True)
    session.join(a_join("ada"), connection(1), at(1))
    effects = session.join(a_host_join(), connection(2), at(2))
    assert effects == welcomed(session, 2, host_member("Laptop"), 2)


def test_a_refused_newcomer_uses_up_no_member_id() -> None:
    session = a_session(max_members=2)
    session.join(a_join("ada"), connection(1), at(1))
    refusal_of(session, lambda: session.join(a_join("bob"), connection(2), at(1)))
    session.leave(connection(1), at(2))
    session.join(a_join("bob"), connection(2), at(3))
    assert session.members()[1] == member(2, "Bob", 3)


def test_a_seat_that_waits_for_its_device_is_not_free() -> None:
    session = a_session(max_members=2)
    session.join(a_join("ada"), connection(1), at(1))
    session.drop(connection(1), at(1).monotonic_ns, at(1))
    refusal = refusal_of(
        session, lambda: session.join(a_join("bob"), connection(2), at(2))
    )
    assert isinstance(refusal, SessionFull)


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_device_with_a_seat_is_never_told_that_the_session_is_full(
    is_lost: bool,
) -> None:
    session = a_session(max_members=2)
    session.join(a_join("ada"), connection(1), at(1))
    if is_lost:
        session.drop(connection(1), at(1).monotonic_ns, at(1))
    effects = session.join(a_join("ada"), connection(2), at(2))
    if is_lost:
        assert effects == welcomed(session, 2, member(1, "Ada", 1), 2)
    else:
        assert effects == [Probe(connection(1))]


# --- The order of the checks (version and session: test_registry) ---------------


def test_without_room_a_newcomer_is_refused_and_uses_up_nothing() -> None:
    session = a_session(max_members=3)
    with pytest.raises(SessionFull) as caught:
        session.join(a_join("ada"), connection(1), at(1), has_room=False)
    assert caught.value.details == {
        "maxMembers": 3,
        "currentMembers": 1,
        "reason": "storage_full",
    }
    assert "disk is full" in caught.value.message
    assert session.members() == (host_member(),)
    session.join(a_join("ada"), connection(1), at(2))
    assert session.members()[1].id == "client-1"


def test_a_full_session_says_so_whether_there_is_room_or_not() -> None:
    session = a_session(max_members=1)
    for has_room in (True, False):
        with pytest.raises(SessionFull) as caught:
            session.join(a_join("ada"), connection(1), at(1), has_room=has_room)
        assert not caught.value.is_storage_full


def test_without_room_a_device_gets_its_own_seat_back() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.drop(connection(1), at(1).monotonic_ns, at(2))
    effects = session.join(a_join("ada"), connection(2), at(3), has_room=False)
    assert effects == welcomed(session, 2, member(1, "Ada", 1), 3)


def test_without_room_the_remote_host_takes_its_seat() -> None:
    session = a_session(remote_host=True)
    effects = session.join(a_host_join(), connection(1), at(1), has_room=False)
    assert effects[0] == Attach(connection(1), HOST_ID)


def test_allowed_comes_before_capacity_for_a_kicked_device() -> None:
    session = a_session(max_members=2)
    session.join(a_join("ada"), connection(1), at(1))
    session.kick(member(1, "Ada", 1).id, "", at(2))
    session.join(a_join("bob"), connection(2), at(3))
    refusal = refusal_of(
        session, lambda: session.join(a_join("ada"), connection(3), at(4))
    )
    assert isinstance(refusal, Unauthorized)


def test_allowed_comes_before_identity_for_a_wrong_token() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("laptop"), connection(1), at(1))
    refusal = refusal_of(
        session, lambda: session.join(a_host_join(token="x"), connection(2), at(2))
    )
    assert isinstance(refusal, Unauthorized)


def test_identity_comes_before_capacity_for_the_hosts_own_device() -> None:
    session = a_session(max_members=1, remote_host=True)
    session.join(a_host_join("laptop"), connection(1), at(1))
    refusal = refusal_of(
        session, lambda: session.join(a_join("laptop"), connection(2), at(2))
    )
    assert isinstance(refusal, AlreadyJoined)


def test_a_session_that_has_ended_seats_nobody() -> None:
    session = a_session(remote_host=True)
    session.close("over", at(1))
    for request in (a_join("ada"), a_host_join()):
        with pytest.raises(SessionNotFound):
            session.join(request, connection(1), at(2))
    assert session.members() == ()


# --- Asking for the list, and latency -------------------------------------------


def test_a_member_that_asks_gets_the_list_alone() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.join(a_join("bob"), connection(2), at(1))
    effects = session.list_members(connection(1), at(5))
    assert effects == [Send(connection(1), session.member_list(at(5)))]


def test_who_has_no_seat_gets_no_list() -> None:
    assert a_session().list_members(connection(1), at(5)) == []


def test_a_measured_latency_shows_in_the_next_list() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    assert session.members()[1].latency_ms is None
    session.measured(connection(1), 23)
    assert session.members()[1].latency_ms == 23


def test_a_latency_measured_on_a_connection_without_a_seat_changes_nothing() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    before = session.members()
    session.measured(connection(2), 23)
    assert session.members() == before


def test_no_device_id_is_in_what_others_are_told() -> None:
    session = a_session()
    effects = session.join(a_join("private-id", name="Ada"), connection(1), at(1))
    assert "private-id" not in repr(effects)
    assert session.members()[1].connection_status is ConnectionStatus.CONNECTED


def test_a_session_expects_who_has_a_seat_and_who_has_the_token() -> None:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), connection(1), at(3))
    session.drop(connection(1), at(3).monotonic_ns, at(4))
    assert session.expects(a_join("ada"))
    assert session.expects(a_host_join())
    assert not session.expects(a_join("a stranger"))
    assert not session.expects(a_host_join(token="wrong"))
