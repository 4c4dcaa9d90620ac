"""Whole connections: several at once in one session, and anything on each.

From the TCP bytes to the rules everything is a running server's own; only the
network is in memory, so that thousands of them can be tried. What real sockets
add is tried by the faults and the soak.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from fuzzing import examples, no_fault_of_ours, settle
from hostile_frames import streams
from hostile_messages import joins, right, texts
from loudsync import ServerSettings, SessionServer
from memory_wire import UPGRADE, MemoryTransport, at, door_of
from raw_peer import CLOSE, PING, PONG, TEXT
from raw_peer import frame as client_frame
from rfc6455 import server_frames
from stage import FlowClock, join
from wire_builders import text_of

SETTINGS = ServerSettings(max_guesses_per_address=0, max_message_burst=1000)
PEERS = 4


@dataclass
class Wire:
    """A connection of the crowd, from the upgrade on."""

    transport: MemoryTransport
    answers_pings: bool = True
    taken: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)

    def read(self) -> None:
        """Read what came, as far as whole frames go; answer pings."""
        _, _, written = bytes(self.transport.sent).partition(b"\r\n\r\n")
        frames, _ = server_frames(written)
        for opcode, payload in frames[self.taken :]:
            self.taken += 1
            if opcode == TEXT:
                self.messages.append(msgspec.json.decode(payload))
            elif opcode == PING and self.answers_pings:
                self.transport.feed(client_frame(PONG, payload))


SAYS = st.builds(
    lambda text: client_frame(TEXT, text.encode()),
    joins().map(text_of) | right().map(text_of) | texts(),
)
GOODBYES = st.sampled_from([b"\x03\xe8", b"\x03\xe9", b""]).map(
    lambda body: client_frame(CLOSE, body)
)
ACTS = st.tuples(
    st.integers(0, PEERS - 1),
    st.one_of(
        SAYS,
        SAYS,
        SAYS,
        streams(),
        GOODBYES,
        st.sampled_from(["drop", "end", "open", "play dead", "wait 3", "wait 16"]),
    ),
)


@examples(150)
@given(acts=st.lists(ACTS, max_size=25))
async def test_whatever_comes_nobody_is_lost_and_nothing_is_left(
    acts: list[tuple[int, Any]],
) -> None:
    clock = FlowClock()
    async with SessionServer(
        host="127.0.0.1", port=0, settings=SETTINGS, clock=clock
    ) as server:
        with no_fault_of_ours():
            await _play(server, clock, acts)


async def _play(
    server: SessionServer, clock: FlowClock, acts: list[tuple[int, Any]]
) -> None:
    door = door_of(server)
    session = await server.create_session("Party", session_id="abc123", max_members=50)

    def open_wire() -> Wire:
        wire = Wire(MemoryTransport(at(door)))
        wire.transport.feed(UPGRADE)
        return wire

    wires = [open_wire() for _ in range(PEERS)]
    for number, wire in enumerate(wires[:2], start=1):  # two are in already
        wire.transport.feed(client_frame(TEXT, text_of(join_of(number)).encode()))
    opened = list(wires)
    for number, act in acts:
        if act == "open":
            wires[number] = open_wire()
            opened.append(wires[number])
        else:
            _act(wires[number], act, clock)
        await settle()
        for each in opened:
            each.read()
        await settle()
        _check_no_ghosts(server, opened)
    for kind in {message["type"] for wire in opened for message in wire.messages}:
        event(kind)
    assert not session.is_closed, "no guest can end it"
    await _check_newcomer(open_wire())
    for wire in opened:
        wire.transport.hang_up(ConnectionResetError())
    await settle()
    clock.advance(60)
    await settle()
    clock.advance(60)
    await settle()
    assert server.stats.members == 0
    assert [member.is_host for member in session.members] == [True]


def _act(wire: Wire, act: bytes | str, clock: FlowClock) -> None:
    match act:
        case bytes():
            wire.transport.feed(act)
        case "drop":
            wire.transport.hang_up(ConnectionResetError())
        case "end":
            wire.transport.hang_up()
        case "play dead":
            wire.answers_pings = False
        case _:
            clock.advance(float(act.removeprefix("wait ")))


def join_of(number: int) -> dict[str, Any]:
    return {"timestamp": 1, **join(f"device-{number}")}


def _check_no_ghosts(server: SessionServer, opened: list[Wire]) -> None:
    """Who counts as connected has a connection; nobody hears of strangers."""
    (session,) = server.sessions()
    connected = [m for m in session.members if m.connection_status == "connected"]
    assert len(connected) - 1 == server.stats.members  # the host is this process
    assert server.stats.members <= sum(not wire.transport.is_gone for wire in opened)
    assert len({member.id for member in session.members}) == len(session.members)


async def _check_newcomer(wire: Wire) -> None:
    """Whatever happened before, a fresh device is seated and answered."""
    message = {"timestamp": 1, **join("a fresh device")}
    wire.transport.feed(client_frame(TEXT, msgspec.json.encode(message)))
    await settle()
    wire.read()
    assert [message["type"] for message in wire.messages[:2]] == [
        "welcome",
        "member_list",
    ]
    wire.transport.hang_up(ConnectionResetError())
    await settle()
