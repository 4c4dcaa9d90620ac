"""The heartbeat check, and who pays for it."""

import pytest

from loudsync import ServerSettings
from loudsync.core import SessionSpec
from loudsync.protocol import SessionId
from loudsync.server.rate_limit import RateLimit
from loudsync.server.silence import SilenceQueue
from loudsync.testing import MemoryServer, MemorySocket

S = 1_000_000_000


def joined(server: MemoryServer, device: str) -> MemorySocket:
    socket = server.connect()
    info = {"id": device, "name": device, "type": "client"}
    socket.say({"type": "join", "sessionId": "abc123", "deviceInfo": info})
    return socket


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer(ServerSettings())
    server.create(
        SessionSpec(id=SessionId("abc123"), name="P", host_name="H", max_members=9)
    )
    return server


def test_the_silent_are_found_in_order_and_nobody_else_is_looked_at() -> None:
    queue: SilenceQueue[str] = SilenceQueue()
    for at, name in enumerate("abcd"):
        queue.heard(name, at)
    queue.heard("a", 4)
    queue.discard("c")
    queue.discard("unknown")
    assert queue.pop_silent(0) == []
    assert queue.pop_silent(3) == ["b", "d"]
    assert queue.pop_silent(3) == []
    assert len(queue) == 1


def test_a_process_that_stood_still_blames_nobody(server: MemoryServer) -> None:
    """After SIGSTOP or a sleeping laptop the heartbeats still wait in sockets."""
    ann = joined(server, "ann")
    server.clock.stand_still(60)
    server.clock.advance(0)
    assert ann.is_open
    ann.say({"type": "heartbeat"})
    server.clock.advance(5)
    assert ann.is_open


def test_a_calendar_that_jumps_changes_no_deadline(server: MemoryServer) -> None:
    ann, bob = joined(server, "ann"), joined(server, "bob")
    for jump in (3600, -7200):
        server.clock.jump(jump)
        server.clock.advance(5)
        ann.say({"type": "heartbeat"})
    server.clock.advance(5)
    assert ann.is_open
    assert not bob.is_open


def test_latency_is_measured_about_every_15_s(server: MemoryServer) -> None:
    ann = joined(server, "ann")
    ann.answer_pings()
    asked = []
    for _ in range(7):
        server.clock.advance(5)
        ann.say({"type": "heartbeat"})
        asked.append(ann.pings_waiting)
        ann.answer_pings()
    assert asked == [0, 0, 1, 0, 0, 1, 0]


def test_latency_is_the_time_between_ping_and_pong(server: MemoryServer) -> None:
    ann = joined(server, "ann")
    server.clock.advance(0.0426)
    ann.answer_pings()
    ann.received.clear()
    ann.say({"type": "member_list"})
    assert ann.received[0]["members"][1]["latency"] == 43


def test_a_pong_nobody_asked_for_measures_nothing(server: MemoryServer) -> None:
    ann = joined(server, "ann")
    ann.connection.pong_received(b"forged")
    ann.received.clear()
    ann.say({"type": "member_list"})
    assert "latency" not in ann.received[0]["members"][1]


def test_the_rate_refills_up_to_the_burst() -> None:
    limit = RateLimit(rate=50, burst=100, now_ns=0)
    assert all(limit.take(0) for _ in range(100))
    assert not limit.take(0)
    limit = RateLimit(rate=50, burst=100, now_ns=0)
    assert limit.take(0, 100)
    assert limit.take(S, 50)
    assert not limit.take(S)
    limit = RateLimit(rate=50, burst=100, now_ns=0)
    assert limit.take(3600 * S, 100)
    assert not limit.take(3600 * S)


def test_a_rate_of_0_allows_all() -> None:
    limit = RateLimit(rate=0, burst=1, now_ns=0)
    assert all(limit.take(0, 1000) for _ in range(1000))


def test_a_crowd_that_loses_its_network_costs_few_lists(server: MemoryServer) -> None:
    """Many status changes in a turn are told by one MEMBER_LIST."""
    guests = [joined(server, f"device-{number}") for number in range(8)]
    server.clock.advance(0)
    guests[0].received.clear()
    for guest in guests[1:]:
        guest.hang_up(1006)
    server.clock.advance(1)
    lists = guests[0].received
    assert [message["type"] for message in lists] == ["member_list"]
    status = [m["connectionStatus"] for m in lists[0]["members"]]
    assert status == ["connected"] * 2 + ["reconnecting"] * 7


def test_a_process_that_is_always_late_still_sweeps(server: MemoryServer) -> None:
    ann = joined(server, "ann")
    for _ in range(3):
        server.clock.stand_still(20)
        server.clock.advance(0)
    assert not ann.is_open
