"""A session that another process goes on with: same seats, same connections."""

from core_builders import (
    RULES,
    a_host_join,
    a_join,
    a_session,
    at,
    connection,
    host_member,
    left,
    member,
    welcomed,
)
from loudsync.core import (
    Attach,
    BroadcastList,
    Detach,
    Probe,
    Session,
    SessionSummary,
)
from loudsync.protocol import ConnectionStatus, LeaveReason, MemberId

ADA, BOB = connection(1), connection(2)
ADA_ID, BOB_ID = MemberId("client-1"), MemberId("client-2")


def ada_and_bob() -> Session:
    session = a_session(remote_host=True)
    session.join(a_join("ada"), ADA, at(1))
    session.join(a_join("bob"), BOB, at(2))
    return session


def moved(session: Session, seconds: float = 10) -> Session:
    return Session.restore(session.record(), RULES, at(seconds))


# --- As it was --------------------------------------------------------------------


def test_who_goes_on_with_it_sees_what_was_there() -> None:
    session = ada_and_bob()
    session.drop(BOB, at(3).monotonic_ns, at(3))
    taken = moved(session)
    assert taken.members() == session.members()
    assert taken.record() == session.record()
    assert taken.connections() == [ADA]


def test_its_connections_speak_for_their_members_at_once() -> None:
    taken = moved(ada_and_bob())
    assert taken.leave(ADA, at(11))[1] == left(1, LeaveReason.LEFT, 11)
    assert taken.drop(BOB, at(11).monotonic_ns, at(11)) == [
        Detach(BOB),
        BroadcastList(),
    ]


def test_seats_with_a_connection_wait_for_nothing() -> None:
    session = a_session(remote_host=True)
    session.join(a_host_join(), ADA, at(1))
    taken = moved(session)
    assert taken.next_due_ns is None
    assert taken.host.connection_status is ConnectionStatus.CONNECTED


def test_seats_without_one_wait_as_long_as_if_it_were_lost_now() -> None:
    session = ada_and_bob()
    session.drop(BOB, at(3).monotonic_ns, at(3))
    taken = moved(session, 17)
    assert taken.expire(at(31)) == []
    assert taken.expire(at(32)) == [left(2, LeaveReason.TIMEOUT, 32)]


def test_an_id_is_used_by_nobody_else() -> None:
    session = ada_and_bob()
    session.leave(BOB, at(3))
    taken = moved(session)
    cleo = member(3, "Cleo", 11)
    assert taken.join(a_join("cleo"), BOB, at(11)) == welcomed(taken, 2, cleo, 11)


def test_a_device_that_was_kicked_stays_out() -> None:
    session = ada_and_bob()
    session.kick(BOB_ID, "", at(3))
    assert moved(session).record().kicked_devices == ("bob",)


def test_its_revision_grows_with_what_must_be_kept_and_with_nothing_else() -> None:
    session = ada_and_bob()
    revisions = [session.revision]
    session.measured(ADA, 12)
    session.list_members(ADA, at(3))
    assert session.revision == revisions[0]
    session.drop(BOB, at(3).monotonic_ns, at(3))
    revisions.append(session.revision)
    session.join(a_join("bob"), BOB, at(4))
    revisions.append(session.revision)
    session.kick(BOB_ID, "", at(5))
    revisions.append(session.revision)
    assert revisions == sorted(set(revisions))


def test_a_summary_tells_what_a_listing_shows() -> None:
    session = ada_and_bob()
    session.join(a_host_join(), connection(3), at(3))
    assert session.summary() == SessionSummary(
        spec=session.spec,
        host_name="Laptop",
        member_count=3,
        created_at_ms=at(0).unix_ms,
    )
    assert session.summary().id == "abc123"
    assert session.summary().is_host_token("the-host-token")
    assert not session.summary().is_host_token("another")


# --- Asked a second time, because the answer may be lost ---------------------------


def test_a_repeated_join_is_welcomed_again_and_nobody_else_hears_of_it() -> None:
    session = ada_and_bob()
    before = session.revision
    ada = member(1, "Ada", 1)
    assert session.join(a_join("ada"), ADA, at(9)) == welcomed(session, 1, ada, 9)[:3]
    assert session.revision == before


def test_a_repeated_join_of_one_that_waits_changes_nothing() -> None:
    session = ada_and_bob()
    newer = connection(3)
    assert session.join(a_join("ada"), newer, at(3)) == [Probe(ADA)]
    assert session.join(a_join("ada"), newer, at(4)) == []
    assert session.unanswered(ADA, at(5))[1] == Attach(newer, ADA_ID)


# --- A connection that goes on ------------------------------------------------------


def test_a_connection_taken_for_lost_goes_on_and_the_list_says_so() -> None:
    session = ada_and_bob()
    session.drop(ADA, at(3).monotonic_ns, at(3))
    effects = session.come_back(a_join("ada"), ADA_ID, ADA)
    assert effects == [Attach(ADA, ADA_ID), BroadcastList()]
    assert session.members()[1] == member(1, "Ada", 1)
    assert session.expire(at(60)) == []


def test_a_connection_that_was_never_missed_is_told_who_is_here() -> None:
    session = ada_and_bob()
    effects = session.come_back(a_join("ada"), ADA_ID, ADA)
    assert effects == [Attach(ADA, ADA_ID), BroadcastList()]


def test_a_host_goes_on_too() -> None:
    session = a_session(remote_host=True)
    session.join(a_host_join(), ADA, at(1))
    session.drop(ADA, at(3).monotonic_ns, at(3))
    assert session.come_back(a_host_join(), session.host.id, ADA)
    assert session.host == host_member("Laptop")
    assert session.expire(at(60)) == []


def test_no_connection_goes_on_where_a_newer_one_has_the_seat() -> None:
    session = ada_and_bob()
    session.drop(ADA, at(3).monotonic_ns, at(3))
    session.join(a_join("ada"), connection(3), at(4))
    before = session.record()
    assert session.come_back(a_join("ada"), ADA_ID, ADA) == []
    assert session.record() == before


def test_no_connection_goes_on_where_its_seat_is_freed_or_anothers() -> None:
    session = ada_and_bob()
    session.kick(ADA_ID, "", at(3))
    assert session.come_back(a_join("ada"), ADA_ID, ADA) == []
    assert session.come_back(a_join("ada"), BOB_ID, ADA) == []
