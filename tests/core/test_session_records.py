"""What is kept of a session, and a session taken up again from it."""

from core_builders import (
    HOST_ID,
    RULES,
    START_MS,
    a_host_join,
    a_join,
    a_session,
    a_spec,
    at,
    closed,
    connection,
    host_member,
    left,
    member,
    refusal_of,
    welcomed,
)
from loudsync.core import Registry, Session
from loudsync.core.host import HOST_LOST, HOST_NEVER_CAME
from loudsync.core.records import SeatRecord, SessionChanges, SessionRecord
from loudsync.errors import Unauthorized
from loudsync.protocol import ConnectionStatus, DeviceId, LeaveReason, MemberId

RECONNECTING = ConnectionStatus.RECONNECTING


def kept_host(device: str | None = None, name: str = "Hanna") -> SeatRecord:
    return SeatRecord(
        member_id=HOST_ID,
        device_id=None if device is None else DeviceId(device),
        name=name,
        is_host=True,
        joined_at_ms=START_MS,
    )


def kept_guest(number: int, device: str, name: str, joined_at: float) -> SeatRecord:
    return SeatRecord(
        member_id=MemberId(f"client-{number}"),
        device_id=DeviceId(device),
        name=name,
        is_host=False,
        joined_at_ms=at(joined_at).unix_ms,
    )


def a_record(
    *seats: SeatRecord,
    remote_host: bool = True,
    max_members: int = 10,
    kicked: tuple[str, ...] = (),
) -> SessionRecord:
    return SessionRecord(
        spec=a_spec(remote_host=remote_host, max_members=max_members),
        created_at_ms=START_MS,
        next_number=7,
        seats=seats,
        kicked_devices=tuple(DeviceId(device) for device in kicked),
    )


def restored(record: SessionRecord) -> Session:
    """The session, taken up again at 100 s."""
    return Session.restore(record, RULES, at(100))


# --- What changed ---------------------------------------------------------------


def test_a_new_session_is_to_be_kept_with_its_host() -> None:
    changes = a_session(remote_host=True).take_changes()
    assert changes == SessionChanges(next_number=1, seats=(kept_host(),))


def test_what_was_dropped_is_not_given_either() -> None:
    session = a_session()
    session.drop_changes()
    assert session.take_changes() is None


def test_what_was_taken_is_not_given_again() -> None:
    session = a_session()
    session.take_changes()
    assert session.take_changes() is None


def test_a_newcomer_is_kept_with_the_next_number() -> None:
    session = a_session()
    session.take_changes()
    session.join(a_join("ada"), connection(1), at(1))
    assert session.take_changes() == SessionChanges(
        next_number=2, seats=(kept_guest(1, "ada", "Ada", 1),)
    )


def test_a_freed_seat_is_dropped() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.take_changes()
    session.leave(connection(1), at(2))
    assert session.take_changes() == SessionChanges(
        next_number=2, freed=(MemberId("client-1"),)
    )


def test_a_seat_that_came_and_went_meanwhile_is_not_kept() -> None:
    session = a_session()
    session.take_changes()
    session.join(a_join("ada"), connection(1), at(1))
    session.leave(connection(1), at(2))
    changes = session.take_changes()
    assert changes is not None
    assert changes.seats == ()
    assert changes.next_number == 2


def test_a_kicked_device_is_kept() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.take_changes()
    session.kick(MemberId("client-1"), "", at(2))
    assert session.take_changes() == SessionChanges(
        next_number=2,
        freed=(MemberId("client-1"),),
        kicked_devices=(DeviceId("ada"),),
    )


def test_a_remote_host_is_kept_with_its_device_and_name() -> None:
    session = a_session(remote_host=True)
    session.take_changes()
    session.join(a_host_join("laptop"), connection(1), at(1))
    changes = session.take_changes()
    assert changes is not None
    assert changes.seats == (kept_host("laptop", "Laptop"),)


def test_a_lost_connection_and_its_return_change_nothing_that_is_kept() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.take_changes()
    session.drop(connection(1), at(2).monotonic_ns, at(2))
    session.join(a_join("ada"), connection(2), at(3))
    session.measured(connection(2), 23)
    assert session.take_changes() is None


def test_a_return_under_another_name_is_kept() -> None:
    session = a_session()
    session.join(a_join("ada"), connection(1), at(1))
    session.take_changes()
    session.drop(connection(1), at(2).monotonic_ns, at(2))
    session.join(a_join("ada", name="Ada L."), connection(2), at(3))
    changes = session.take_changes()
    assert changes is not None
    assert changes.seats == (kept_guest(1, "ada", "Ada L.", 1),)


def test_nothing_is_kept_of_a_session_that_has_ended() -> None:
    session = a_session()
    session.close("over", at(1))
    assert session.take_changes() == SessionChanges(ended=True)


# --- Taken up again -------------------------------------------------------------


def test_everybody_is_still_there_and_waits_for_its_device() -> None:
    session = restored(
        a_record(
            kept_host("laptop", "Laptop"),
            kept_guest(2, "bob", "Bob", 2),
            kept_guest(6, "ada", "Ada", 6),
        )
    )
    assert session.members() == (
        host_member("Laptop", RECONNECTING),
        member(2, "Bob", 2, RECONNECTING),
        member(6, "Ada", 6, RECONNECTING),
    )
    assert session.host == host_member("Laptop", RECONNECTING)
    assert session.created_at_ms == START_MS
    assert session.take_changes() is None


def test_a_device_gets_its_seat_back_after_a_restart() -> None:
    session = restored(
        a_record(kept_host("laptop", "Laptop"), kept_guest(2, "bob", "Bob", 2))
    )
    effects = session.join(a_join("bob"), connection(1), at(101))
    assert effects == welcomed(session, 1, member(2, "Bob", 2), 101)


def test_the_host_gets_its_seat_back_after_a_restart_with_its_token() -> None:
    session = restored(a_record(kept_host("laptop", "Laptop")))
    effects = session.join(a_host_join("laptop"), connection(1), at(101))
    assert effects == welcomed(session, 1, host_member("Laptop"), 101)
    assert session.next_due_ns is None


def test_seats_wait_the_heartbeat_timeout_from_the_restart_on() -> None:
    session = restored(
        a_record(kept_host("laptop", "Laptop"), kept_guest(2, "bob", "Bob", 2))
    )
    session.join(a_host_join("laptop"), connection(1), at(101))
    assert session.expire(at(115, plus_ns=-1)) == []
    assert session.expire(at(115)) == [left(2, LeaveReason.TIMEOUT, 115)]


def test_a_host_that_does_not_come_back_after_a_restart_ends_the_session() -> None:
    session = restored(a_record(kept_host("laptop", "Laptop")))
    assert session.expire(at(115, plus_ns=-1)) == []
    assert session.expire(at(115)) == closed(HOST_LOST, 115)


def test_a_host_that_never_came_is_waited_for_anew_and_keeps_its_joined_at() -> None:
    session = restored(a_record(kept_host()))
    assert session.members() == (host_member(status=ConnectionStatus.DISCONNECTED),)
    assert session.expire(at(160, plus_ns=-1)) == []
    assert session.expire(at(160)) == closed(HOST_NEVER_CAME, 160)


def test_a_host_that_is_the_servers_own_process_is_there_at_once() -> None:
    session = restored(a_record(kept_host(), remote_host=False))
    assert session.members() == (host_member(),)
    assert session.next_due_ns is None


def test_a_member_id_is_not_used_again_after_a_restart() -> None:
    session = restored(a_record(kept_host(), remote_host=False))
    effects = session.join(a_join("ada"), connection(1), at(101))
    assert effects == welcomed(session, 1, member(7, "Ada", 101), 101)


def test_a_kicked_device_is_refused_after_a_restart_too() -> None:
    session = restored(a_record(kept_host(), kicked=("ada",)))
    refusal = refusal_of(
        session, lambda: session.join(a_join("ada"), connection(1), at(101))
    )
    assert isinstance(refusal, Unauthorized)


def test_a_registry_takes_a_kept_session_up_though_it_is_full() -> None:
    registry = Registry(RULES, max_sessions=0)
    session = registry.restore(a_record(kept_host("laptop", "Laptop")), at(100))
    assert registry.find(session.id) is session
    assert registry.expire(at(115)) == [(session, closed(HOST_LOST, 115))]
