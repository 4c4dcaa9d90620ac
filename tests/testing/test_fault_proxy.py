"""The network that tests break: what arrives, what doesn't, how it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from loudsync.testing import FaultProxy, ProxiedConnection, Way
from raw_peer import PATIENCE_S, until


@dataclass
class Side:
    """One end of a connection: what came, and how it ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pieces: list[bytes] = field(default_factory=list)
    end: str = ""
    _task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while piece := await self.reader.read(1 << 16):
                self.pieces.append(piece)
            self.end = "fin"
        except ConnectionError:
            self.end = "rst"

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def got(self, data: bytes) -> None:
        await until(lambda: len(self.data) >= len(data))
        assert self.data == data

    async def ended(self) -> str:
        await until(lambda: bool(self.end))
        return self.end

    def stop_reading(self) -> None:
        assert self._task is not None
        self._task.cancel()

    async def close(self) -> None:
        self.stop_reading()
        self.writer.transport.abort()


class World:
    """A server that keeps what comes, a proxy, and clients through it."""

    def __init__(self, proxy: FaultProxy, accepted: "asyncio.Queue[Side]") -> None:
        self.proxy = proxy
        self.sides: list[Side] = []
        self.accepted = accepted

    async def connect(self) -> tuple[Side, Side, ProxiedConnection]:
        """Return the client's side, the server's, and what is between."""
        streams = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        client = Side(*streams)
        self.sides.append(client)
        server = await asyncio.wait_for(self.accepted.get(), PATIENCE_S)
        return client, server, self.proxy.connections[-1]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    accepted: asyncio.Queue[Side] = asyncio.Queue()
    sides: list[Side] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side = Side(reader, writer)
        sides.append(side)
        accepted.put_nowait(side)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy(port, max_waiting_bytes=8 * 1024) as proxy:
        world = World(proxy, accepted)
        yield world
        for side in (*sides, *world.sides):
            await side.close()
    assert proxy.connections == ()
    server.close()
    await server.wait_closed()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert [task for task in left if "fault proxy" in task.get_name()] == []


async def test_what_is_said_arrives_both_ways_and_so_does_the_end(world: World) -> None:
    client, server, connection = await world.connect()
    client.say(b"hello")
    await server.got(b"hello")
    server.say(b"x" * 1_000_000)
    await client.got(b"x" * 1_000_000)
    client.writer.write_eof()
    assert await server.ended() == "fin"
    server.say(b"goodbye")  # the other way is still open
    await client.got(b"x" * 1_000_000 + b"goodbye")
    assert connection.is_open
    server.writer.close()
    assert await client.ended() == "fin"
    await connection.closed()
    assert world.proxy.connections == ()


async def test_an_rst_from_one_side_is_an_rst_to_the_other(world: World) -> None:
    client, server, connection = await world.connect()
    connection._server_end.reset()
    assert await server.ended() == "rst"
    client.say(b"anybody?")
    assert await client.ended() in {"fin", "rst"}


async def test_delayed_bytes_stay_in_order_and_travel_side_by_side(
    world: World,
) -> None:
    client, server, connection = await world.connect()
    loop = asyncio.get_running_loop()
    connection.delay(0.2, Way.TO_SERVER)
    started_s = loop.time()
    for number in range(10):
        client.say(b"%d" % number)
        await asyncio.sleep(0.01)
    await server.got(b"0123456789")
    # Not faster than the delay; one after the other it would be 2 s.
    assert loop.time() - started_s >= 0.2
    server.say(b"at once")
    await client.got(b"at once")


async def test_dropped_bytes_and_ends_are_never_heard_of(world: World) -> None:
    client, server, connection = await world.connect()
    connection.drop(Way.TO_SERVER)
    client.say(b"lost")
    server.say(b"heard")
    await client.got(b"heard")
    await until(lambda: connection.swallowed_bytes(Way.TO_SERVER) == 4)
    connection.heal()
    client.say(b"again")
    await server.got(b"again")
    connection.drop()
    client.writer.transport.abort()
    server.say(b"lost too")
    await until(lambda: connection.swallowed_bytes() == 4 + 8)
    await until(lambda: connection._pipes[Way.TO_SERVER]._missed_end)
    assert connection.is_open
    assert server.end == ""
    assert server.data == b"again"


async def test_who_missed_the_end_learns_of_it_when_healed(world: World) -> None:
    client, server, connection = await world.connect()
    connection.drop()
    client.writer.close()
    await until(lambda: connection._pipes[Way.TO_SERVER]._missed_end)
    assert server.end == ""
    world.proxy.heal()
    assert await server.ended() == "fin"


async def test_a_stall_makes_what_is_sent_pile_up_within_a_bound(world: World) -> None:
    client, server, connection = await world.connect()
    connection.stall(Way.TO_CLIENT)
    size = 20_000_000
    server.say(b"x" * size)
    pipe = connection._pipes[Way.TO_CLIENT]
    client.say(b"the other way works")
    await server.got(b"the other way works")
    assert server.writer.transport.get_write_buffer_size() > 0, "back-pressure"
    assert pipe._waiting_bytes <= 2 * pipe._max_waiting_bytes
    connection.heal()
    await client.got(b"x" * size)


async def test_a_reader_that_stalls_by_itself_is_felt_by_the_sender(
    world: World,
) -> None:
    client, server, connection = await world.connect()
    client.stop_reading()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    server.say(b"x" * 30_000_000)
    pipe = connection._pipes[Way.TO_CLIENT]
    await until(lambda: not pipe._is_reading)
    # Room for what one read brings.
    assert pipe._waiting_bytes <= pipe._max_waiting_bytes + 256 * 1024
    assert server.writer.transport.get_write_buffer_size() > 0


async def test_a_trickle_comes_byte_by_byte(world: World) -> None:
    client, server, _ = await world.connect()
    world.proxy.trickle(Way.TO_SERVER)
    client.say(b"a few words")
    await server.got(b"a few words")
    assert len(server.pieces) > 5  # the system may join some
    server.say(b"in one piece")
    await client.got(b"in one piece")
    assert len(client.pieces) == 1


async def test_half_of_the_next_piece_then_the_end(world: World) -> None:
    client, server, connection = await world.connect()
    client.say(b"whole")
    await server.got(b"whole")
    connection.halve(Way.TO_SERVER)
    client.say(b"0123456789")
    assert await server.ended() == "fin"
    assert server.data == b"whole01234"
    await client.ended()
    await connection.closed()


@pytest.mark.parametrize("does_trickle", [False, True])
async def test_so_many_bytes_then_the_end(world: World, does_trickle: bool) -> None:
    client, server, connection = await world.connect()
    if does_trickle:
        connection.trickle()
    connection.cut_after(12, Way.TO_CLIENT)
    server.say(b"0123456789")
    await client.got(b"0123456789")
    server.say(b"0123456789")
    assert await client.ended() == "fin"
    assert client.data == b"012345678901"
    with pytest.raises(ValueError, match="1 byte"):
        connection.cut_after(0)


@pytest.mark.parametrize("does_cut", [False, True])
async def test_a_reset_is_an_rst_to_both_sides(world: World, does_cut: bool) -> None:
    pairs = [await world.connect() for _ in range(3)]
    if does_cut:
        await world.proxy.cut()
        assert world.proxy.connections == ()
    else:
        world.proxy.reset()
    for client, server, connection in pairs:
        assert await client.ended() == await server.ended() == "rst"
        await connection.closed()


async def test_one_connection_is_broken_and_the_others_are_not(world: World) -> None:
    _, _, broken = await world.connect()
    client, server, _ = await world.connect()
    broken.reset()
    await broken.closed()
    client.say(b"fine")
    await server.got(b"fine")


async def test_the_proxys_faults_are_those_of_later_connections_too(
    world: World,
) -> None:
    world.proxy.drop(Way.TO_SERVER)
    client, server, connection = await world.connect()
    client.say(b"lost")
    server.say(b"heard")
    await client.got(b"heard")
    await until(lambda: connection.swallowed_bytes() == 4)
    world.proxy.heal()
    client.say(b"found")
    await server.got(b"found")
    client, server, _ = await world.connect()
    client.say(b"well")
    await server.got(b"well")


async def test_refused_at_once_and_let_in_again_at_the_same_port(world: World) -> None:
    client, server, _ = await world.connect()
    port = world.proxy.port
    for _ in range(3):
        await world.proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        world.proxy.heal()
        await world.connect()
    assert world.proxy.port == port
    client.say(b"never broken")
    await server.got(b"never broken")
    # A heal that is undone before the loop turns leaves no listener behind.
    await world.proxy.refuse()
    world.proxy.heal()
    await world.proxy.cut()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_no_server_behind_it_is_an_rst() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with FaultProxy(port) as proxy:
        side = Side(*await asyncio.open_connection("127.0.0.1", proxy.port))
        assert await side.ended() == "rst"
        await until(lambda: proxy.connections == ())


Break = Callable[[ProxiedConnection], None]


@pytest.mark.parametrize(
    "do_break",
    [
        ProxiedConnection.drop,
        ProxiedConnection.stall,
        ProxiedConnection.trickle,
        lambda connection: connection.delay(3600),
    ],
)
async def test_a_broken_connection_keeps_nobody_from_ending(
    world: World, do_break: Break
) -> None:
    client, server, connection = await world.connect()
    do_break(connection)
    client.say(b"x" * 100_000)
    server.say(b"x" * 100_000)
    await world.proxy.cut()
    assert not connection.is_open
