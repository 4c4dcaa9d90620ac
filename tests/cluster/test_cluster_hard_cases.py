"""What a cluster does where much goes wrong at once, or somebody wants it to."""

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cluster_in_process import (
    a_node,
    die,
    get,
    node_in,
    open_session,
    parts_of,
    until_acquainted,
    until_ready,
    until_unready,
)
from loudsync import SessionServer
from loudsync.cluster.bus import Unreachable
from loudsync.errors import SessionExists
from loudsync.protocol import ConnectionStatus, MemberId, SessionId
from loudsync.protocol.codes import MAX_MEMBER_ID_LENGTH, MAX_REASON_LENGTH
from loudsync.server.frames import text_frame
from nats_servers import NatsServer, nats_servers
from raw_peer import PATIENCE_S, RawPeer, until
from seated_peer import SeatedPeer
from stage import join

PARTY = SessionId("party")

NOTE = b'{"type": "note", "number": %d, "text": "%b"}'

MANY = 1_000
"""More than it ever takes: a bound for what is done until something happens."""


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_servers(tmp_path) as servers:
        yield servers.servers[0]


# --- Members ------------------------------------------------------------------------


async def test_who_asks_for_as_much_as_fits_keeps_nobody_out(nats: NatsServer) -> None:
    async with a_node(nats, "n0") as owner, a_node(nats, "n1") as edge:
        await open_session(owner, session_id=PARTY)
        mallory = await SeatedPeer.join(edge.port, PARTY, "mallory")
        # As long as a message may be, and as long as what is in it may be.
        for member_id, reason in (
            (16_000 * "x", ""),
            (MAX_MEMBER_ID_LENGTH * "x", MAX_REASON_LENGTH * "\N{PARTY POPPER}"),
        ):
            kick = {"type": "kicked", "memberId": member_id, "reason": reason}
            for _ in range(100):
                await mallory.raw.say(kick)
        await mallory.settle()
        bob = await SeatedPeer.join(edge.port, PARTY, "bob", "Bob")
        assert [m.name for m in bob.members.values()] == ["Host", "Ann", "Bob"]


async def test_one_that_does_not_read_costs_the_others_no_word(
    nats: NatsServer,
) -> None:
    async with a_node(nats, "n0") as owner, a_node(nats, "n1") as edge:
        await open_session(owner, session_id=PARTY)
        await open_session(owner, session_id="other")
        sleeper = await SeatedPeer.join(edge.port, PARTY, "sleeper")
        (link,) = parts_of(edge).edge.links
        sleeper.raw.stop_reading()
        reader = await SeatedPeer.join(edge.port, PARTY, "reader")
        elsewhere = await SeatedPeer.join(edge.port, "other", "elsewhere")
        channel = parts_of(owner).owner.link(link.id, PARTY).carrier
        for number in range(MANY):
            # So long that it is seen at once that it is too much for somebody.
            long = text_frame(NOTE % (number, 100_000 * b"x"))
            channel.broadcast(PARTY, long, None)
            channel.broadcast(
                SessionId("other"), text_frame(NOTE % (number, b"")), None
            )
            for peer in (reader, elsewhere):
                assert await next_note(peer) == number
            if link.is_over:
                break
        assert link.is_over
        await sleeper.raw.gone()


async def next_note(peer: SeatedPeer) -> int:
    while (message := await peer.raw.receive())["type"] != "note":
        pass
    return int(message["number"])


async def test_joins_elsewhere_are_answered_while_more_come_to_the_owner(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_node(nats, "n0") as owner, a_node(nats, "n1") as edge:
        await open_session(owner, session_id=PARTY, max_members=MANY)
        session = parts_of(owner).runner.registry.find(PARTY)
        bucket = parts_of(owner).bucket
        write = bucket.write
        guests: list[RawPeer] = []
        goes_on = True

        async def write_while_one_comes(key: str, value: bytes, last: int) -> int:
            if goes_on and key == PARTY:
                count = len(session.members())
                guests.append(await RawPeer.connect(owner.port))
                await guests[-1].say(join(f"guest-{len(guests)}", "Guest", PARTY))
                await until(lambda: len(session.members()) > count)
            return await write(key, value, last)

        monkeypatch.setattr(bucket, "write", write_while_one_comes)
        # Each is asked for in a batch of its own, once the one before is answered.
        for device in ("ann", "bob", "cid"):
            await SeatedPeer.join(edge.port, PARTY, device)
        goes_on = False
        assert guests
        await parts_of(owner).runner.saved(PARTY)


# --- Owners -------------------------------------------------------------------------


async def test_after_nats_lost_its_disk_the_next_owner_is_listened_to(
    nats: NatsServer, tmp_path: Path
) -> None:
    async with a_node(nats, "n1") as edge, a_node(nats, "n2") as heir:
        async with a_node(nats, "n0") as owner:
            await until_acquainted(owner, edge, heir)
            # Its members ask at once, and it may be faster than the heir.
            parts_of(edge).claims.may_claim = False
            party = heirloom(owner, heir)
            # Revisions are high when the session begins; a new disk's are not.
            bucket = parts_of(owner).bucket
            for _ in range(50):
                await bucket.put("worn", b"")
            worn = await bucket.read("worn")
            assert worn is not None
            await bucket.end("worn", worn.revision)
            await open_session(owner, session_id=party)
            ann = await SeatedPeer.join(edge.port, party, "ann")

            await asyncio.to_thread(nats.kill)
            for server in (owner, edge, heir):
                await until_unready(server)
            shutil.rmtree(tmp_path / nats.name)
            await asyncio.to_thread(nats.start)
            for server in (owner, edge, heir):
                await until_ready(server)
            await SeatedPeer.join(edge.port, party, "bob", "Bob")
            await until_acquainted(owner, edge, heir)
        await until(lambda: party in parts_of(heir).runner.registry)
        await SeatedPeer.join(edge.port, party, "cid", "Cid")
        await until(lambda: len(ann.members) == 4)


def heirloom(owner: SessionServer, heir: SessionServer) -> SessionId:
    """Return the id of a session that goes from one node to another."""
    number = node_in(heir)._me.number
    claims = parts_of(owner).claims
    ids = (SessionId(f"party-{i}") for i in itertools.count())
    return next(it for it in ids if claims.preferred(it) == number)


@asynccontextmanager
async def claimed_without_knowing(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[SessionServer, SessionServer]]:
    """A node whose claim of a session landed, but its answer did not; and another."""
    async with (
        a_node(nats, "n1") as heir,
        a_node(nats, "n2") as other,
        a_node(nats, "n0") as owner,
    ):
        await until_acquainted(owner, heir, other)
        parts_of(other).claims.may_claim = False
        await open_session(owner, session_id=PARTY)
        bucket = parts_of(heir).bucket
        write = bucket.write
        has_landed = asyncio.Event()

        async def lose_the_first_answer(key: str, value: bytes, last: int) -> int:
            revision = await write(key, value, last)
            if key == PARTY and not has_landed.is_set():
                has_landed.set()
                raise Unreachable("the answer is lost")
            return revision

        monkeypatch.setattr(bucket, "write", lose_the_first_answer)
        await die(owner)
        async with asyncio.timeout(PATIENCE_S):
            await has_landed.wait()
        await until(lambda: not parts_of(heir).claims.is_claiming(PARTY))
        assert PARTY not in parts_of(heir).runner.registry
        yield heir, other


async def test_a_session_claimed_unknowingly_is_served_once_somebody_asks_elsewhere(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with claimed_without_knowing(nats, monkeypatch) as (heir, other):
        ann = await SeatedPeer.join(other.port, PARTY, "ann")
        assert PARTY in parts_of(heir).runner.registry
        assert [m.name for m in ann.members.values()] == ["Host", "Ann"]


async def test_the_id_of_a_session_claimed_unknowingly_is_taken(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with claimed_without_knowing(nats, monkeypatch) as (heir, _):
        with pytest.raises(SessionExists):
            await open_session(heir, session_id=PARTY)


async def test_seats_whose_node_ends_while_they_change_hands_wait_for_their_devices(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        a_node(nats, "n2") as heir,
        a_node(nats, "n1") as edge,
        a_node(nats, "n0") as owner,
    ):
        await until_acquainted(owner, edge, heir)
        parts_of(edge).claims.may_claim = False
        await open_session(owner, session_id=PARTY)
        ann = await SeatedPeer.join(edge.port, PARTY, "ann")
        bucket = parts_of(heir).bucket
        write = bucket.write
        is_claiming, may_write = asyncio.Event(), asyncio.Event()

        async def write_later(key: str, value: bytes, last: int) -> int:
            is_claiming.set()
            await may_write.wait()
            return await write(key, value, last)

        monkeypatch.setattr(bucket, "write", write_later)
        await die(owner)
        async with asyncio.timeout(PATIENCE_S):
            await is_claiming.wait()
        await die(edge)
        await until(lambda: not len(parts_of(heir).peers))
        may_write.set()
        assert await status_seen_from(heir, ann.id) is ConnectionStatus.RECONNECTING


async def test_who_was_seated_but_not_told_is_welcomed_first_by_the_next_owner(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        a_node(nats, "n1", request_timeout_s=0.3) as heir,
        a_node(nats, "n0") as owner,
    ):
        await until_acquainted(owner, heir)
        await open_session(owner, session_id=PARTY)
        await open_session(owner, session_id="other")
        bucket = parts_of(owner).bucket
        write = bucket.write
        is_written = asyncio.Event()

        async def write_and_hang(key: str, value: bytes, last: int) -> int:
            revision = await write(key, value, last)
            if key == PARTY:
                is_written.set()
                await asyncio.Event().wait()
            return revision

        monkeypatch.setattr(bucket, "write", write_and_hang)
        ann = await RawPeer.connect(heir.port)
        await ann.say(join("ann", "Ann", PARTY))
        async with asyncio.timeout(PATIENCE_S):
            await is_written.wait()
        await die(owner)
        # It is noticed at once where somebody asks for something else.
        await SeatedPeer.join(heir.port, "other", "bob")
        kinds = [(await ann.receive())["type"] for _ in range(2)]
        assert kinds == ["welcome", "member_list"]


async def status_seen_from(server: SessionServer, member: MemberId) -> ConnectionStatus:
    onlooker = await SeatedPeer.join(server.port, PARTY, "onlooker", "Eve")
    return onlooker.members[member].connection_status


# --- Nodes that end -----------------------------------------------------------------


async def test_the_end_of_a_node_without_members_tells_nobody_anything(
    nats: NatsServer,
) -> None:
    async with a_node(nats, "n0") as owner:
        async with a_node(nats, "n1") as bystander:
            await until_acquainted(owner, bystander)
            await open_session(owner, session_id=PARTY)
            ann = await SeatedPeer.join(owner.port, PARTY, "ann")
            await SeatedPeer.join(owner.port, PARTY, "bob")
            await until(lambda: "member_joined" in ann.kinds)
            await ann.settle()
            heard = ann.kinds
        await until(lambda: not len(parts_of(owner).peers))
        await until(lambda: parts_of(owner).edge.is_idle)
        await ann.settle()
        assert ann.kinds == [*heard, "pong"]


async def test_a_session_closed_while_its_node_ends_stays_closed(
    nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_node(nats, "n1") as other:
        async with a_node(nats, "n0", request_timeout_s=0.2) as owner:
            await until_acquainted(owner, other)
            _, token = await open_session(owner, session_id=PARTY)
            host = await SeatedPeer.join(owner.port, PARTY, "host", token=token)
            ann = await SeatedPeer.join(other.port, PARTY, "ann")
            bucket = parts_of(owner).bucket
            end = bucket.end
            is_ending = asyncio.Event()

            async def hang_once(key: str, last: int) -> None:
                if not is_ending.is_set():
                    is_ending.set()
                    await asyncio.Event().wait()
                await end(key, last)

            monkeypatch.setattr(bucket, "end", hang_once)
            await host.raw.say({"type": "session_closed"})
            async with asyncio.timeout(PATIENCE_S):
                await is_ending.wait()
        assert await ann.raw.closed() == 1000
        assert ann.kinds[-1] == "session_closed"
        assert (await get(other, f"/sessions/{PARTY}"))[0] == 404


async def test_a_node_that_is_to_close_its_sessions_ends_without_nats(
    nats: NatsServer,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(a_node(nats))
        await open_session(server)
        await asyncio.to_thread(nats.kill)
        await until_unready(server)
        async with asyncio.timeout(PATIENCE_S):
            await server.stop(close_sessions=True)
