"""The same device joins while its old connection looks open."""

import pytest

from core_builders import (
    a_host_join,
    a_join,
    a_session,
    at,
    closed,
    connection,
    host_member,
    kicked,
    left,
    member,
    refusal_in,
    refusal_of,
    welcomed,
)
from loudsync.core import Abort, Close, Probe, Refuse, Session
from loudsync.errors import AlreadyJoined, SessionNotFound, Unauthorized
from loudsync.protocol import CloseCode, LeaveReason, MemberId

OLD, NEW, NEWER = connection(1), connection(2), connection(3)
ADA = member(1, "Ada", 1)


def ada_seated() -> Session:
    session = a_session()
    session.join(a_join("ada"), OLD, at(1))
    return session


def ada_challenged() -> Session:
    session = ada_seated()
    session.join(a_join("ada"), NEW, at(2))
    return session


def host_challenged(device: str = "tablet") -> Session:
    session = a_session(remote_host=True)
    session.join(a_host_join("laptop"), OLD, at(1))
    session.join(a_host_join(device), NEW, at(2))
    return session


def test_the_old_connection_is_probed_and_nobody_is_told_anything() -> None:
    session = ada_seated()
    before = session.members()
    assert session.join(a_join("ada"), NEW, at(2)) == [Probe(OLD)]
    assert session.members() == before


def test_a_living_old_connection_never_notices_and_the_newcomer_is_refused() -> None:
    session = ada_challenged()
    before = session.members()
    effects = session.answered(OLD)
    refusal = refusal_in(effects, 0)
    assert effects == [Refuse(NEW, refusal)]
    assert isinstance(refusal, AlreadyJoined)
    assert session.members() == before


def test_an_answer_settles_it() -> None:
    session = ada_challenged()
    session.answered(OLD)
    assert session.answered(OLD) == []
    assert session.unanswered(OLD, at(4)) == []


def test_a_dead_old_connection_is_dropped_and_the_newcomer_gets_the_seat() -> None:
    session = ada_challenged()
    effects = session.unanswered(OLD, at(4))
    assert effects == [Abort(OLD), *welcomed(session, 2, ADA, 4)]
    assert session.members() == (host_member(), ADA)


def test_the_newcomer_that_got_the_seat_speaks_for_the_member() -> None:
    session = ada_challenged()
    session.unanswered(OLD, at(4))
    assert session.leave(OLD, at(5)) == []
    assert session.leave(NEW, at(5)) == [
        Close(NEW, CloseCode.NORMAL),
        left(1, LeaveReason.LEFT, 5),
    ]


def test_silence_of_the_probe_settles_it() -> None:
    session = ada_challenged()
    session.unanswered(OLD, at(4))
    assert session.unanswered(OLD, at(4)) == []
    assert session.answered(OLD) == []


def test_the_name_the_newcomer_gave_is_the_one_that_counts() -> None:
    session = ada_seated()
    session.join(a_join("ada", name="Ada L."), NEW, at(2))
    assert session.members()[1] == ADA
    session.unanswered(OLD, at(4))
    assert session.members()[1] == member(1, "Ada L.", 1)


@pytest.mark.parametrize("end", ["drop", "silence", "leave"])
def test_when_the_old_connection_ends_by_itself_the_newcomer_is_seated_at_once(
    end: str,
) -> None:
    session = ada_challenged()
    if end == "drop":
        effects = session.drop(OLD, at(1).monotonic_ns, at(3))
    else:
        effects = getattr(session, end)(OLD, at(3))
    assert effects == [Abort(OLD), *welcomed(session, 2, ADA, 3)]
    assert session.next_due_ns is None


def test_a_third_connection_takes_the_second_ones_place_without_another_probe() -> None:
    session = ada_challenged()
    effects = session.join(a_join("ada"), NEWER, at(3))
    refusal = refusal_in(effects, 0)
    assert effects == [Refuse(NEW, refusal)]
    assert isinstance(refusal, AlreadyJoined)
    assert session.unanswered(OLD, at(4)) == [
        Abort(OLD),
        *welcomed(session, 3, ADA, 4),
    ]


def test_a_refused_newcomer_may_try_again_and_the_old_one_is_probed_again() -> None:
    session = ada_challenged()
    session.answered(OLD)
    assert session.join(a_join("ada"), NEW, at(5)) == [Probe(OLD)]


def test_a_newcomer_lost_while_it_waits_leaves_the_seat_where_it_is() -> None:
    session = ada_challenged()
    before = session.members()
    assert session.drop(NEW, at(2).monotonic_ns, at(3)) == []
    assert session.unanswered(OLD, at(4)) == []
    assert session.members() == before
    assert session.next_due_ns is None


def test_a_refused_newcomers_late_end_does_not_disturb_the_next_one() -> None:
    session = ada_challenged()
    session.answered(OLD)
    session.join(a_join("ada"), NEWER, at(3))
    assert session.drop(NEW, at(2).monotonic_ns, at(4)) == []
    assert session.unanswered(OLD, at(5)) == [
        Abort(OLD),
        *welcomed(session, 3, ADA, 5),
    ]


def test_a_newcomer_that_got_the_seat_makes_way_for_the_next_one_when_lost() -> None:
    session = ada_challenged()
    session.unanswered(OLD, at(3))
    assert session.join(a_join("ada"), NEWER, at(4)) == [Probe(NEW)]
    assert session.drop(NEW, at(4).monotonic_ns, at(5)) == [
        Abort(NEW),
        *welcomed(session, 3, ADA, 5),
    ]


def test_a_newcomer_expelled_while_it_waits_leaves_the_seat_where_it_is() -> None:
    session = ada_challenged()
    assert session.expel(NEW, "Too many messages", at(3)) == []
    assert session.unanswered(OLD, at(4)) == []
    assert session.members()[1] == ADA


def test_a_newcomer_that_waits_can_ask_for_nothing_yet() -> None:
    session = ada_challenged()
    assert session.list_members(NEW, at(3)) == []
    assert session.kick_for(NEW, ADA.id, "", at(3)) == []
    assert session.close_for(NEW, "", at(3)) == []


def test_answers_of_connections_nobody_wants_to_replace_change_nothing() -> None:
    session = ada_seated()
    assert session.answered(OLD) == []
    assert session.unanswered(OLD, at(4)) == []
    assert session.answered(connection(9)) == []
    assert session.unanswered(connection(9), at(4)) == []


def test_when_the_member_is_kicked_the_newcomer_is_not_allowed_either() -> None:
    session = ada_challenged()
    effects = session.kick(ADA.id, "Bye", at(3))
    refusal = refusal_in(effects, 0)
    assert effects == [
        Refuse(NEW, refusal),
        kicked(1, "Bye", 3),
        Close(OLD, CloseCode.NORMAL),
        left(1, LeaveReason.KICKED, 3),
    ]
    assert isinstance(refusal, Unauthorized)
    assert session.unanswered(OLD, at(4)) == []


def test_when_the_session_ends_the_newcomer_hears_that_it_is_gone() -> None:
    session = ada_challenged()
    effects = session.close("over", at(3))
    refusal = refusal_in(effects, 1)
    announced, *rest = closed("over", 3, 1)
    assert effects == [announced, Refuse(NEW, refusal), *rest]
    assert isinstance(refusal, SessionNotFound)
    assert session.unanswered(OLD, at(4)) == []


# --- The host's seat belongs to who has the token -------------------------------


def test_the_host_may_take_its_seat_over_from_another_device() -> None:
    session = host_challenged("tablet")
    assert session.unanswered(OLD, at(4)) == [
        Abort(OLD),
        *welcomed(session, 2, host_member("Tablet"), 4),
    ]


def test_the_hosts_former_device_is_a_guests_like_any_other() -> None:
    session = host_challenged("tablet")
    session.unanswered(OLD, at(4))
    assert session.join(a_join("laptop"), NEWER, at(5)) == welcomed(
        session, 3, member(1, "Laptop", 5), 5
    )


def test_a_living_host_can_not_be_pushed_out_even_with_the_token() -> None:
    session = host_challenged("tablet")
    effects = session.answered(OLD)
    assert effects == [Refuse(NEW, refusal_in(effects, 0))]
    assert session.host == host_member("Laptop")


def test_a_device_that_waits_for_the_hosts_seat_gets_no_guests_seat_meanwhile() -> None:
    session = host_challenged("tablet")
    refusal = refusal_of(session, lambda: session.join(a_join("tablet"), NEWER, at(3)))
    assert isinstance(refusal, AlreadyJoined)


def test_a_device_refused_the_hosts_seat_may_be_a_guest() -> None:
    session = host_challenged("tablet")
    session.answered(OLD)
    session.join(a_join("tablet"), NEWER, at(3))
    assert session.members()[1].id == MemberId("client-1")
