"""Parties announced on loopback are found, followed and lost."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from functools import partial

import pytest

import loudsync
from loopback_discovery import LOOPBACK, PATIENCE_S, watching
from loudsync import PartyFound, PartyLost, SessionServer, SourceFailed
from loudsync.address import base_url
from loudsync.discovery import Announcer, DiscoverySettings, PartyRecord
from loudsync.errors import InvalidSetting
from loudsync.protocol import SessionId


async def test_a_party_from_its_first_word_to_its_goodbye(code: str) -> None:
    async with watching(code) as watch:
        async with loudsync.host(
            "Friday Party",
            host="127.0.0.1",
            port=0,
            session_id=code,
            host_name="Sara",
            max_members=7,
            advertise=True,
        ) as party:
            event = await watch.next()
            assert isinstance(event, PartyFound)
            found = event.party
            assert (found.name, found.host_name) == ("Friday Party", "Sara")
            assert (found.member_count, found.max_members) == (1, 7)
            assert (found.version, found.sources) == ("1.0", ("mdns",))
            assert found.join_url == party.join_url

            asked = await watch.party(lambda p: p.is_reachable is not None)
            assert asked.is_reachable
            assert asked.round_trip_ms is not None
            assert asked.round_trip_ms > 0
            await watch.party(lambda p: p.age_s is not None)

            async with loudsync.join(party.join_url, name="Ann"):
                await watch.party(lambda p: p.member_count == 2)
            await watch.party(lambda p: p.member_count == 1)
        assert (await watch.lost()).id == code


async def test_a_crowd_is_not_an_update_each(code: str) -> None:
    crowd = 30
    async with (
        watching(code, ask_interval_s=60) as watch,
        loudsync.host(
            "Party",
            host="127.0.0.1",
            port=0,
            session_id=code,
            max_members=crowd + 1,
            advertise=True,
        ) as party,
    ):
        await watch.party(lambda p: p.age_s is not None)
        guests = [loudsync.join(party.join_url, name=f"G{n}") for n in range(crowd)]
        await asyncio.gather(*(guest.__aenter__() for guest in guests))
        counts = [0]
        while counts[-1] != crowd + 1:
            counts.append((await watch.party()).member_count)
        assert len(counts) < crowd
        await asyncio.gather(*(g.__aexit__(None, None, None) for g in guests))


async def test_only_listed_sessions_are_announced_each_until_it_ends(
    code: str,
) -> None:
    async with (
        watching(code) as watch,
        SessionServer(host="127.0.0.1", port=0, advertise=True) as server,
    ):
        hidden = await server.create_session("Hidden", session_id=f"{code}-hidden")
        shown = await server.create_session("Shown", session_id=code, listed=True)
        assert (await watch.party()).name == "Shown"
        # It was opened first: it would have been announced first.
        async with watching(hidden.id) as hidden_watch:
            await shown.close()
            await watch.lost()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(hidden_watch.next(), timeout=0.1)


async def test_two_sources_are_merged(code: str) -> None:
    async with SessionServer(host="127.0.0.1", port=0, advertise=True) as server:
        url = base_url("127.0.0.1", server.port, is_secure=False)
        session = await server.create_session("Party", session_id=code, listed=True)
        async with watching(code, url) as watch:
            party = await watch.party(lambda p: len(p.sources) == 2)
            assert party.sources == ("mdns", url)
            await session.close()
            await watch.lost()


async def test_a_server_alone(code: str) -> None:
    async with SessionServer(host="127.0.0.1", port=0) as server:
        url = base_url("127.0.0.1", server.port, is_secure=False)
        async with watching(code, url, mdns=False) as watch:
            session = await server.create_session("Party", session_id=code, listed=True)
            assert (await watch.party()).sources == (url,)
            await watch.party(lambda p: p.is_reachable is True)
            await session.close()
            await watch.lost()


async def test_a_host_that_vanishes_does_not_answer_any_more(code: str) -> None:
    """Its records are good for two minutes; that nobody is there shows at once."""
    async with SessionServer(host="127.0.0.1", port=0) as server:
        record = PartyRecord(SessionId(code), "Party", max_members=10)
        async with (
            Announcer("127.0.0.1", server.port, lambda: [record], print),
            watching(code, ask_interval_s=1) as watch,
        ):
            # It has no such session, so nobody knows the age; the answer is enough.
            await watch.party(lambda p: p.is_reachable is True)
            while server.connection_count:  # noqa: ASYNC110 - nothing tells its end
                await asyncio.sleep(0.01)
            await server.stop()
            gone = await watch.party(lambda p: p.is_reachable is False)
            assert "nothing listens there" in gone.problem
            assert gone.silent_s is not None


async def test_names_that_clash_are_told_apart(code: str) -> None:
    """Three that start in the same moment find the name free, all of them."""
    records = [PartyRecord(SessionId(code), "Same", max_members=n) for n in (1, 2, 3)]
    announcers = [
        Announcer("127.0.0.1", 1 + number, partial(list, [record]), print)
        for number, record in enumerate(records)
    ]
    async with watching(code, ask_interval_s=0.5) as watch:
        async with AsyncExitStack() as stack:
            for announcer in announcers:
                await stack.enter_async_context(announcer)
            await watch.parties(
                lambda parties: sorted(p.max_members for p in parties) == [1, 2, 3]
            )
        await watch.parties(lambda parties: not parties)


async def test_a_source_that_fails_is_told_once_and_works_later(code: str) -> None:
    async with SessionServer(host="127.0.0.1", port=0) as server:
        port = server.port
    url = base_url("127.0.0.1", port, is_secure=False)
    settings = DiscoverySettings(ask_interval_s=0.05)
    search = loudsync.discover([url], mdns=False, settings=settings)
    async with search, asyncio.timeout(PATIENCE_S):
        events = aiter(search)
        event = await anext(events)
        assert isinstance(event, SourceFailed)
        assert event.source == url
        assert "nothing listens there" in event.reason
        async with SessionServer(host="127.0.0.1", port=port) as server:
            await server.create_session("Party", session_id=code, listed=True)
            assert isinstance(await anext(events), PartyFound)
            async for event in events:
                assert not isinstance(event, SourceFailed)
                if event.party.is_reachable:
                    break


async def test_an_interface_that_this_machine_does_not_have(code: str) -> None:
    search = loudsync.discover(interfaces=["203.0.113.1"])
    async with asyncio.timeout(PATIENCE_S):
        async for event in search:
            assert isinstance(event, SourceFailed)
            assert event.source == "mdns"
            break


async def test_it_ends_by_itself(code: str) -> None:
    search = loudsync.discover(mdns=False, timeout_s=0.05)
    assert [event async for event in search] == []
    with pytest.raises(RuntimeError, match="runs once"):
        async with search:
            pass


def searching() -> list[str]:
    return [name for t in asyncio.all_tasks() if "Discovery." in (name := repr(t))]


async def test_leaving_the_loop_ends_it(code: str) -> None:
    async with loudsync.host(
        "Party", host="127.0.0.1", port=0, session_id=code, advertise=True
    ):
        events = aiter(loudsync.discover(interfaces=LOOPBACK))
        async with asyncio.timeout(PATIENCE_S), aclosing(events):
            async for event in events:
                if not isinstance(event, SourceFailed | PartyLost):
                    break
            assert searching()
        assert not searching()


@pytest.mark.parametrize("server", ["", "ftp://x", "http://a b"])
def test_a_server_that_is_no_address(server: str) -> None:
    with pytest.raises(InvalidSetting):
        loudsync.discover([server])


def test_an_interface_that_is_no_address() -> None:
    with pytest.raises(InvalidSetting, match="interfaces"):
        loudsync.discover(interfaces=["eth0"])


@pytest.mark.parametrize("number", [0, -1, float("nan")])
def test_intervals_that_are_none(number: float) -> None:
    with pytest.raises(InvalidSetting):
        DiscoverySettings(ask_interval_s=number)
