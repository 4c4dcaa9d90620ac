"""The crowd and the auditor of the drills, on one server and on what none may say."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster_nodes import Node
from drills.audit import check
from drills.crowd import Crowd
from drills.ledger import Hearing, Ledger
from loudsync.protocol import (
    ConnectionStatus,
    Error,
    LeaveReason,
    MemberId,
    MemberInfo,
    MemberJoined,
    MemberLeft,
    MemberList,
)


async def test_a_server_killed_and_started_again_loses_nobody(tmp_path: Path) -> None:
    node = Node("alone", ("--state", str(tmp_path / "parties.state")))
    await asyncio.to_thread(node.start)
    crowd = Crowd([node])
    try:
        for _ in range(2):
            ledger = crowd.expect(await node.create())
            for _ in range(5):
                crowd.add(ledger)
        coming = asyncio.create_task(crowd.keep_coming(20, 0.02))
        await crowd.until(lambda: crowd.newcomers > 5, "nobody comes")
        await asyncio.to_thread(node.kill)
        await asyncio.to_thread(node.start)
        await coming
        await check(crowd, [node])
        assert crowd.events["a connection ended with None"] > 0
        assert {it.session_id for it in crowd.came} == set(crowd.ledgers)
        await crowd.devices[0].leave()
        await check(crowd, [node])
    finally:
        await crowd.stop()
        node.kill()


async def test_a_server_that_forgets_is_found_out(tmp_path: Path) -> None:
    node = Node(
        "forgetful", ("--heartbeat-timeout", "0.2", "--heartbeat-check", "0.05")
    )
    await asyncio.to_thread(node.start)
    crowd = Crowd([node], beat_s=10)
    try:
        ledger = crowd.expect(await node.create())
        crowd.add(ledger)
        await crowd.until(lambda: len(ledger.faults) > 0, "nothing is noticed")
        assert "became client-2" in ledger.faults[0]
    finally:
        await crowd.stop()
        node.kill()


# --- What none may say --------------------------------------------------------


def member(number: int, **fields: object) -> MemberInfo:
    basic = {
        "id": MemberId(f"client-{number}"),
        "name": f"name-{number}",
        "is_host": False,
        "connection_status": ConnectionStatus.CONNECTED,
        "joined_at_ms": number,
    }
    return MemberInfo(**{**basic, **fields})  # type: ignore[arg-type]


HOST = member(0, id=MemberId("host-1"), is_host=True)


def list_of(*members: MemberInfo) -> MemberList:
    return MemberList(timestamp_ms=1, members=(HOST, *members))


def joined(who: MemberInfo, stamp: int = 1) -> MemberJoined:
    return MemberJoined(timestamp_ms=stamp, member=who)


class Notes:
    """A session with devices 1 and 2, which have joined and heard of each other."""

    def __init__(self) -> None:
        self.ledger = Ledger("abc123", 4, MemberId("host-1"))
        self.one = self.join(1, list_of(member(1)))
        self.two = self.join(2, list_of(member(1), member(2)))
        self.ledger.told(self.one, joined(member(2)))

    def ask(self, number: int) -> Hearing:
        return self.ledger.asked(f"device-{number}", f"name-{number}")

    def join(self, number: int, told: MemberList) -> Hearing:
        hearing = self.ask(number)
        self.ledger.welcomed(f"device-{number}", MemberId(f"client-{number}"))
        self.ledger.told(hearing, told)
        return hearing

    def end(self, *lists: MemberList) -> None:
        self.ledger.check_end(
            {f"n{at}": it.members for at, it in enumerate(lists)}, [self.one, self.two]
        )


def test_what_is_right_is_no_fault() -> None:
    notes = Notes()
    ledger = notes.ledger
    away = member(2, connection_status=ConnectionStatus.RECONNECTING)
    # A loss that all hear of, one that passes unheard, a refusal, a goodbye.
    ledger.told(notes.one, list_of(member(1), away))
    notes.two = notes.join(2, list_of(member(1), member(2)))
    ledger.told(notes.one, joined(member(2), 5))
    notes.two = notes.join(2, list_of(member(1), member(2)))
    ledger.told(notes.one, joined(member(2), 6))
    notes.join(3, list_of(member(1), member(2), member(3)))
    for hearing in (notes.one, notes.two):
        ledger.told(hearing, joined(member(3), 7))
    ledger.may_go("device-3")
    for hearing in (notes.one, notes.two):
        left = MemberLeft(timestamp_ms=8, member_id=MemberId("client-3"))
        ledger.told(hearing, left)
    notes.ask(2)
    ledger.refused("device-2", Error(timestamp_ms=1, code="already_joined", message=""))
    notes.end(*[list_of(member(1), member(2))] * 2)
    assert ledger.faults == []


def _another_id(notes: Notes) -> None:
    notes.ask(2)
    notes.ledger.welcomed("device-2", MemberId("client-7"))


def _one_id_twice(notes: Notes) -> None:
    notes.ask(3)
    notes.ledger.welcomed("device-3", MemberId("client-2"))


def _refused(code: str) -> Callable[[Notes], None]:
    def refuse(notes: Notes) -> None:
        notes.ask(2)
        notes.ledger.refused("device-2", Error(timestamp_ms=1, code=code, message=""))

    return refuse


def _came_too_often(notes: Notes) -> None:
    notes.ledger.told(notes.one, joined(member(2), 2))
    notes.ledger.told(notes.one, joined(member(2), 3))


def _sees_somebody_else(notes: Notes) -> None:
    notes.one.view.apply(joined(member(9)))
    notes.end(list_of(member(1), member(2)))


def _one_more_than_seats(notes: Notes) -> None:
    for number in range(3, 6):
        notes.ledger.told(notes.one, joined(member(number), number))


FAULTS: dict[str, Callable[[Notes], object]] = {
    "was client-2 and became client-7": _another_id,
    "client-2 was given to device-2 and to device-3": _one_id_twice,
    "was refused: session_not_found": _refused("session_not_found"),
    "was refused: unauthorized": _refused("unauthorized"),
    "has a seat and was told session_full": _refused("session_full"),
    "heard that device-2 (client-2) left: timeout": lambda it: it.ledger.told(
        it.one,
        MemberLeft(
            timestamp_ms=1,
            member_id=MemberId("client-2"),
            reason=LeaveReason.TIMEOUT,
        ),
    ),
    "heard twice of one coming": lambda it: it.ledger.told(it.one, joined(member(2))),
    "client-2 came who was there": _came_too_often,
    "heard of its own coming": lambda it: it.ledger.told(it.one, joined(member(1), 2)),
    "before its first list": lambda it: it.ledger.told(it.ask(3), joined(member(1), 2)),
    "a list without itself": lambda it: it.ledger.told(it.two, list_of(member(1))),
    "with somebody twice": lambda it: it.ledger.told(
        it.one, list_of(member(1), member(1))
    ),
    "without the host first": lambda it: it.ledger.told(
        it.one, MemberList(timestamp_ms=1, members=(member(1), HOST))
    ),
    "was welcomed as reconnecting": lambda it: it.join(
        2, list_of(member(2, connection_status=ConnectionStatus.RECONNECTING))
    ),
    "joined at 2, then at 5": lambda it: it.join(2, list_of(member(2, joined_at_ms=5))),
    "5 members, 4 are allowed": _one_more_than_seats,
    "LOST: device-2": lambda it: it.end(list_of(member(1))),
    "then the list says 9": lambda it: it.end(
        list_of(member(1), member(2, joined_at_ms=9))
    ),
    "is 'Eve', not 'name-2'": lambda it: it.end(
        list_of(member(1), member(2, name="Eve"))
    ),
    "no device is it": lambda it: it.end(list_of(member(1), member(2), member(3))),
    "n1 has another list": lambda it: it.end(
        list_of(member(1), member(2)), list_of(member(1))
    ),
    "device-1 sees another list": _sees_somebody_else,
    "in another order": lambda it: it.end(list_of(member(2), member(1))),
}


@pytest.mark.parametrize("told", FAULTS)
def test_what_is_wrong_is_a_fault(told: str) -> None:
    notes = Notes()
    FAULTS[told](notes)
    assert told in "\n".join(notes.ledger.faults)
