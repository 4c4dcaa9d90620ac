"""One evening: a host, two guests in browsers and one in Python, from start to end."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

import loudsync
from loudsync import ServerSettings, SessionServer, events
from page_opener import (
    PageOpener,
    chromium,
    ending,
    fault,
    go_to,
    join,
    kick,
    member,
    start,
    state,
    toasts,
)
from qr_scan import scan

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PATIENCE_S = 120

SEVERAL_POINTS = re.compile(r"^(\S+ ){3,}\S+$")

EVERYBODY = ("Rishad", "Sara", "Bob", "Ann")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """With its windows, as people have it."""
    async with chromium(chromium_path) as it:
        yield it


@pytest.fixture
def settings() -> ServerSettings:
    # Forty times what the pages' hurried heartbeats need.
    return ServerSettings(heartbeat_timeout_s=10, heartbeat_check_s=0.5)


async def test_an_evening(
    opener: PageOpener, server: SessionServer, browser: Browser
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        # Start.
        host = await opener.open(server.url, has_fast_timers=True)
        await start(host, "Friday Party", "Rishad")
        await expect(state(host)).to_have_text("Connected")

        # Scan, or type the code.
        link = await scan(browser, host.locator("#invite-card .qr"))
        sara = await opener.open(link, has_fast_timers=True)
        await join(sara, "Sara")
        bob = await opener.open(server.url, has_fast_timers=True)
        code = await host.locator("#room-code").text_content()
        assert code is not None
        await go_to(bob, code)
        await join(bob, "Bob")
        quick = loudsync.ClientSettings(heartbeat_interval_s=1)
        async with loudsync.join(link, name="Ann", settings=quick) as ann:
            stream = aiter(ann)

            # See each other, and how far away everybody is.
            for page in (host, sara, bob):
                for name in EVERYBODY:
                    row = member(page, name)
                    await expect(row.locator(".status")).to_have_text("connected")
                    await expect(row.locator(".latency")).to_contain_text("ms")
                await expect(page.locator("#count")).to_have_text("4")
                await expect(page.locator("#latency")).to_contain_text("ms")
                await expect(page.locator("#own-trace polyline")).to_have_attribute(
                    "points", SEVERAL_POINTS
                )
            assert {info.name for info in ann.members.values()} == set(EVERYBODY)
            ids = {info.name: info.id for info in ann.members.values()}

            # One reloads and keeps the seat.
            await sara.reload()
            await expect(state(sara)).to_have_text("Connected")
            assert (
                await member(sara, "Sara").get_attribute("data-member") == ids["Sara"]
            )

            # One goes offline and returns.
            opener.ignore_network()
            await bob.context.set_offline(True)
            await expect(state(bob)).to_contain_text("Reconnecting")
            await bob.context.set_offline(False)
            await expect(state(bob)).to_have_text("Connected")
            assert await member(bob, "Bob").get_attribute("data-member") == ids["Bob"]

            # One is removed and can't return.
            await kick(host, "Sara", "Too loud")
            await expect(ending(sara)).to_have_text(
                "You were removed from the party: Too loud"
            )
            await expect(toasts(bob).last).to_have_text("Sara was removed")
            await expect(member(bob, "Sara")).to_have_count(0)
            await sara.goto(link)
            await join(sara, "Sara")
            await expect(fault(sara)).to_contain_text("does not let you in")

            # The host's tab dies, and the party ends.
            await host.close()
            await expect(ending(bob)).to_contain_text("Host connection lost")
            seen = [event async for event in stream]
        left = [event for event in seen if isinstance(event, events.Left)]
        assert [(event.member.name, event.reason) for event in left] == [
            ("Sara", "kicked")
        ]
        assert isinstance(seen[-1], events.SessionEnded)
        assert not server.sessions()
