"""A thousand members of one session over four nodes."""

import asyncio
import random

import msgspec
import pytest

from cluster_nodes import Node, Nodes, Party
from light_socket import LightSocket
from raw_peer import PATIENCE_S
from same_views import seen
from stage import join

MEMBERS = 1000
AT_ONCE = 100
"""Who joins in one moment: the point is the size, not the rush."""

_JOINED = b'{"type":"member_joined"'
_LIST = b'{"type":"member_list"'


@pytest.fixture(scope="module")
def options() -> tuple[str, ...]:
    return ("--heartbeat-timeout", "300")  # nobody of the crowd sends HEARTBEAT


class Member:
    """One of the thousand; it only counts."""

    def __init__(self) -> None:
        self.listed = 0
        self.joined = 0
        self.others: list[bytes] = []
        self.is_in = asyncio.Event()
        self.ended = False
        self.socket: LightSocket | None = None
        self._request = b""

    async def join(self, node: Node, party: Party, number: int) -> None:
        # As long as names may be, and not to be packed much: 256 bytes.
        name = "".join(chr(random.randrange(0x20000, 0x2A000)) for _ in range(64))
        device = f"{number:0128}"
        request = {"timestamp": 1, **join(device, name, party.id)}
        self._request = msgspec.json.encode(request)
        await LightSocket.connect(node.port, self)
        await asyncio.wait_for(self.is_in.wait(), PATIENCE_S)

    def socket_opened(self, socket: LightSocket) -> None:
        self.socket = socket
        socket.say(self._request)

    def text_received(self, socket: LightSocket, payload: bytes) -> None:
        if payload.startswith(_JOINED):
            self.joined += 1
        elif payload.startswith(_LIST) and not self.listed:
            self.listed = len(msgspec.json.decode(payload)["members"])
            self.is_in.set()
        elif not payload.startswith(b'{"type":"welcome"'):
            self.others.append(payload[:200])

    def socket_ended(self, socket: LightSocket) -> None:
        self.ended = True


async def test_a_thousand_members_of_four_nodes_see_each_other(nodes: Nodes) -> None:
    party = await nodes[0].create(maxMembers=MEMBERS + 5)
    members = [Member() for _ in range(MEMBERS)]
    for first in range(0, MEMBERS, AT_ONCE):
        await asyncio.gather(
            *[
                members[number].join(nodes[number % 4], party, number)
                for number in range(first, first + AT_ONCE)
            ]
        )
    async with asyncio.timeout(60):
        # The host and everybody: in the list, or announced since.
        while any(it.listed + it.joined != MEMBERS + 1 for it in members):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert [it.others for it in members if it.others] == []
    assert [it for it in members if it.ended] == []

    witnesses = [
        await node.seat(party, f"witness {at}") for at, node in enumerate(nodes)
    ]
    for witness in witnesses:
        await witness.ask_for_list()
    lists = [seen(it.members.values()) for it in witnesses]
    assert lists == [lists[0]] * 4
    assert len(lists[0]) == MEMBERS + 5
    text = msgspec.json.encode(witnesses[0].heard[-1])
    assert len(text) > 300_000
    for member in members:
        if member.socket is not None:
            member.socket.cut()
