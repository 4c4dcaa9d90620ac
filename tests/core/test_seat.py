"""A seat: its table of changes, and what others see of it."""

import pytest

from core_builders import connection
from loudsync.core import SEAT_TRANSITIONS, Seat, SeatTrigger
from loudsync.protocol import ConnectionStatus, DeviceId, MemberId, MemberInfo

PHONE = DeviceId("phone")


def a_seat(status: ConnectionStatus = ConnectionStatus.DISCONNECTED) -> Seat:
    return Seat(
        MemberId("client-1"),
        "Ada",
        device_id=PHONE,
        is_host=False,
        joined_at_ms=17,
        status=status,
    )


def a_seat_in_use() -> Seat:
    seat = a_seat()
    seat.seat_device(connection(1), PHONE, "Ada")
    return seat


@pytest.mark.parametrize(("before", "trigger"), SEAT_TRANSITIONS)
def test_every_row_of_the_table_happens(
    before: ConnectionStatus, trigger: SeatTrigger
) -> None:
    seat = a_seat(before)
    after = SEAT_TRANSITIONS[before, trigger]
    assert seat.apply(trigger) is (after is not None)
    assert seat.status is (after or ConnectionStatus.DISCONNECTED)


NOT_IN_TABLE = [
    (status, trigger)
    for status in ConnectionStatus
    for trigger in SeatTrigger
    if (status, trigger) not in SEAT_TRANSITIONS
]


@pytest.mark.parametrize(("before", "trigger"), NOT_IN_TABLE)
def test_what_is_not_in_the_table_is_an_error_that_changes_nothing(
    before: ConnectionStatus, trigger: SeatTrigger
) -> None:
    seat = a_seat(before)
    info = seat.info
    with pytest.raises(KeyError):
        seat.apply(trigger)
    assert seat.info == info


def test_a_seated_device_speaks_for_the_member_under_the_name_it_gives() -> None:
    seat = a_seat()
    seat.seat_device(connection(5), DeviceId("tablet"), "Ada L.")
    assert seat.connection == 5
    assert seat.device_id == "tablet"
    assert seat.name == seat.info.name == "Ada L."
    assert seat.info.connection_status is ConnectionStatus.CONNECTED


def test_a_seat_whose_connection_is_lost_keeps_its_device_but_no_connection() -> None:
    seat = a_seat_in_use()
    seat.apply(SeatTrigger.DROP)
    assert seat.connection is None
    assert seat.device_id == PHONE
    assert seat.status is ConnectionStatus.RECONNECTING


@pytest.mark.parametrize(
    "trigger",
    [SeatTrigger.LEAVE, SeatTrigger.KICK, SeatTrigger.FAULT, SeatTrigger.SILENCE],
)
def test_a_freed_seat_has_no_connection(trigger: SeatTrigger) -> None:
    seat = a_seat_in_use()
    seat.apply(trigger)
    assert seat.connection is None


def test_others_see_id_name_host_status_and_arrival_but_never_the_device() -> None:
    assert a_seat_in_use().info == MemberInfo(
        id=MemberId("client-1"),
        name="Ada",
        is_host=False,
        connection_status=ConnectionStatus.CONNECTED,
        joined_at_ms=17,
    )


def test_latency_is_absent_until_it_is_measured() -> None:
    seat = a_seat_in_use()
    assert seat.info.latency_ms is None
    seat.measured(23)
    assert seat.info.latency_ms == 23


def test_the_same_info_is_given_out_until_something_changes() -> None:
    seat = a_seat_in_use()
    first = seat.info
    assert seat.info is first
    seat.measured(23)
    assert seat.info is not first


def test_the_arrival_stays_when_the_device_comes_back() -> None:
    seat = a_seat_in_use()
    seat.apply(SeatTrigger.DROP)
    seat.seat_device(connection(2), PHONE, "Ada")
    assert seat.info.joined_at_ms == 17
