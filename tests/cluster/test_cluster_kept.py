"""A session as one value under its key."""

import uuid

import pytest

from core_builders import START_MS, a_spec
from loudsync.cluster.bus import without_password
from loudsync.cluster.identity import Identity, node_of, number_of
from loudsync.cluster.kept import Kept, Unreadable, decode_kept, encode_kept
from loudsync.cluster.settings import ClusterSettings, clean_node_name
from loudsync.core import SeatRecord, SessionRecord
from loudsync.errors import InvalidSetting
from loudsync.protocol import DeviceId, MemberId


def a_record(members: int) -> SessionRecord:
    """A session with members whose phones drew their ids."""
    mine = Identity("n")
    return SessionRecord(
        spec=a_spec(max_members=10_000, remote_host=True),
        created_at_ms=START_MS,
        next_number=members + 1,
        seats=tuple(
            SeatRecord(
                member_id=MemberId(f"client-{number}"),
                device_id=DeviceId(str(uuid.uuid4())),
                name=f"Guest {number}",
                is_host=False,
                joined_at_ms=START_MS + 731 * number,
                connection=mine.next_connection(),
            )
            for number in range(1, members + 1)
        ),
        kicked_devices=(DeviceId("mallory"),),
    )


@pytest.mark.parametrize("members", [0, 1, 2_000])
def test_what_is_kept_is_what_comes_back(members: int) -> None:
    kept = Kept("n1-12345678", a_record(members))
    assert decode_kept(encode_kept(kept)) == kept


def test_the_largest_session_fits_into_what_nats_takes_unless_told_otherwise() -> None:
    assert len(encode_kept(Kept("n1-12345678", a_record(10_000)))) < 1024**2


@pytest.mark.parametrize(
    "value",
    [b"", b"\x03what a later version writes", b"{}", b"\x01cut", b"\x02damaged"],
)
def test_a_value_that_is_no_session_is_not_guessed_at(value: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_kept(value)


def test_a_connection_tells_where_it_hangs() -> None:
    mine, other = Identity("n"), Identity("n")
    first, second = mine.next_connection(), mine.next_connection()
    assert first != second
    assert node_of(first) == node_of(second) == mine.number == number_of(mine.id)
    assert mine.id != other.id


def test_a_name_may_be_any_text() -> None:
    assert clean_node_name("Küche, links!") == "K-che-links"
    assert clean_node_name("…") == "node"
    assert clean_node_name("") != ""
    assert len(clean_node_name("x" * 100)) == 40


@pytest.mark.parametrize(
    "wrong", [{"servers": ()}, {"replicas": 2}, {"tls_cert": "cert.pem"}]
)
def test_settings_that_can_not_be(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidSetting):
        ClusterSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("nats://10.0.0.5:4222", "nats://10.0.0.5:4222"),
        ("nats://me:p@ss@10.0.0.5:4222", "nats://10.0.0.5:4222"),
        ("token@10.0.0.5:4222", "10.0.0.5:4222"),
    ],
)
def test_an_address_is_shown_without_what_lets_in(address: str, shown: str) -> None:
    assert without_password(address) == shown
