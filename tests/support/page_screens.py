"""A walk over every screen of the page, each as it looks with people in it."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from playwright.async_api import Page, expect

import loudsync
from loudsync import SessionServer
from loudsync.testing import FaultProxy
from page_guest import Guest
from page_opener import (
    PageOpener,
    button,
    ending,
    enter,
    field,
    go_to,
    join,
    kick,
    start,
    state,
)

Seen = Callable[[str, Page], Awaitable[None]]
"""What is done with each screen; it is called with its name."""

FAR_AWAY_S = {"Ann": 0.004, "Bob's Pixel": 0.011, "Sara's iPhone": 0.021}
"""Half of the round trip that each guest has."""

SETTINGS = loudsync.ServerSettings(
    heartbeat_timeout_s=60, latency_interval_s=0.2, takeover_wait_s=0.2
)
"""For the server of a walk: latencies change as quickly as its pages ask."""

TRACE_POINTS = 14


async def walk(
    opener: PageOpener, server: SessionServer, seen: Seen, **look: Any
) -> None:
    """Show every screen.

    Args:
        look: How pages are opened: ``width``, ``height``, ``color_scheme``.
    """

    async def open_page(url: str) -> Page:
        return await opener.open(url, has_fast_timers=True, **look)

    async with AsyncExitStack() as stack:
        host = await open_page(server.url)
        await expect(host.locator("#open-note")).to_contain_text("None is listed")
        await seen("discover-empty", host)
        await host.get_by_role("link", name="Start a party").click()
        await seen("start", host)
        await button(host, "Start the party").click()
        await seen("start-fault", host)
        await host.go_back()
        await start(host, "Friday Party", "Rishad")
        await expect(state(host)).to_have_text("Connected")
        await expect(host.locator("#invite-card svg")).to_be_visible()
        await seen("host-alone", host)
        (session,) = server.sessions()
        await server.create_session("Board games", host_name="Mia", listed=True)

        network = {}
        for name, seconds in FAR_AWAY_S.items():
            network[name] = await stack.enter_async_context(FaultProxy(server.port))
            network[name].delay(seconds)
        for name in ("Ann", "Bob's Pixel"):
            link = f"{network[name].url}/?session={session.id}"
            await stack.enter_async_context(loudsync.join(link, name=name))
        async with Guest(server.port) as lost:
            await lost.join(session.id, "Kim")
            lost.vanish()

        url = network["Sara's iPhone"].url
        guest = await open_page(url)
        await expect(guest.get_by_text("Board games")).to_be_visible()
        await seen("discover", guest)
        await go_to(guest, "nope12")
        await expect(guest.locator("#code-error")).to_contain_text("no party")
        await seen("discover-fault", guest)
        await go_to(guest, session.id)
        await expect(guest.get_by_role("heading", name="Friday Party")).to_be_visible()
        await seen("join", guest)
        await enter(guest, "Sara's iPhone")
        await expect(host.locator("#toasts")).to_contain_text("Sara's iPhone joined")
        await seen("host-toast", host)
        for page in (guest, host):
            await _wait_for_traces(page)
        await seen("room", guest)
        await seen("host", host)

        await button(guest, "Invite").click()
        await expect(guest.locator("dialog .qr svg")).to_be_visible()
        await seen("invite", guest)
        await button(guest, "Done").click()
        await button(host, "Remove Kim").click()
        await field(host, "Reason, for them to read").fill("Too loud")
        await seen("kick", host)
        await button(host, "Cancel").click()
        await button(host, "End the party").click()
        await seen("end", host)
        await button(host, "Cancel").click()

        opener.ignore_network()
        await network["Sara's iPhone"].cut()
        await expect(state(guest)).to_contain_text("attempt 2 of 3")
        await seen("reconnecting", guest)
        await expect(guest.get_by_text("Three attempts")).to_be_visible()
        await seen("lost", guest)
        await button(guest, "Back to the parties").click()
        await expect(guest.locator("#open-note")).to_contain_text("You are offline")
        await seen("offline", guest)
        network["Sara's iPhone"].heal()

        await go_to(guest, session.id)
        await enter(guest, "Sara's iPhone")
        await kick(host, "Sara's iPhone", "Too loud")
        await expect(ending(guest)).to_contain_text("You were removed")
        await seen("kicked", guest)
        await go_to(guest, session.id)
        await join(guest, "Sara's iPhone")
        await expect(guest.locator("#join-error")).to_contain_text("let you in")
        await seen("join-refused", guest)
        other = await open_page(f"{server.url}/?session={session.id}")
        await join(other, "Ed")
        await button(host, "End the party").click()
        await host.locator("dialog").get_by_role("button", name="End the party").click()
        await expect(ending(other)).to_contain_text("The party has ended")
        await seen("closed", other)


async def _wait_for_traces(page: Page) -> None:
    """Wait until the traces of all that are measured have something to show."""
    await page.wait_for_function(
        f"""() => {{
          const lines = [...document.querySelectorAll("#room polyline[points]")];
          return lines.length >= 4 &&
            lines.every((line) => line.getAttribute("points").split(" ").length >= {TRACE_POINTS});
        }}""",
        timeout=10_000,
    )
