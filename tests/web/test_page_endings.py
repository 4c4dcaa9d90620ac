"""How it ends: back at the first screen, with a word that says why."""

import aiohttp
import pytest
from playwright.async_api import Page, expect

from loudsync import HostedSession, SessionServer
from loudsync.testing import FaultProxy, Way
from page_guest import Guest
from page_opener import (
    PageOpener,
    button,
    ending,
    enter,
    fault,
    field,
    go_to,
    join,
    member,
    state,
    toasts,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


NOTE_STATES = """() => {
  window.states = [];
  const element = document.getElementById("state");
  new MutationObserver(() => states.push(element.textContent)).observe(
    element, { childList: true });
}"""


async def expect_discover(page: Page, text: str) -> None:
    await expect(ending(page)).to_contain_text(text)
    await expect(page.get_by_role("heading", name="Find a party")).to_be_visible()
    await expect(page.locator("#room")).to_be_hidden()
    assert "session" not in page.url


async def open_and_lose(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession
) -> Page:
    """Open a page, be in the party, and cut the connection."""
    page = await opener.open(f"{proxy.url}/?session={session.id}")
    await enter(page, "Phone")
    opener.ignore_network()
    await proxy.cut()
    await expect(state(page)).to_contain_text("Reconnecting")
    return page


async def test_kick(opener: PageOpener, session: HostedSession, guest: Guest) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    joined = await guest.next("member_joined")

    await session.kick(joined["member"]["id"], "Too loud")

    await expect_discover(page, "You were removed from the party: Too loud")
    assert (await guest.next("member_left"))["reason"] == "kicked"
    # A reload doesn't try again by itself, and it sticks.
    await page.reload()
    await expect(page.get_by_role("heading", name="Find a party")).to_be_visible()
    await go_to(page, session.id)
    await expect(ending(page)).to_have_count(0)
    await join(page, "Phone")
    await expect(fault(page)).to_contain_text("The party does not let you in")


async def test_kick_and_close_over_http(
    opener: PageOpener, server: SessionServer
) -> None:
    async with aiohttp.ClientSession(server.url) as http:
        async with http.post("/sessions", json={"name": "Garden"}) as answer:
            created = await answer.json()
        headers = {"Authorization": f"Bearer {created['hostToken']}"}
        first = await opener.open(created["joinUrl"])
        second = await opener.open(created["joinUrl"])
        await join(first, "First browser")
        await join(second, "Second browser")
        await expect(member(first, "Second browser")).to_be_visible()
        row = member(second, "First browser")
        first_id = await row.get_attribute("data-member")

        path = f"/sessions/{created['id']}"
        async with http.delete(f"{path}/members/{first_id}", headers=headers) as answer:
            assert answer.status == 204
        await expect_discover(first, "Host removed you from the session")
        await expect(toasts(second).last).to_have_text("First browser was removed")
        await expect(row).to_have_count(0)

        async with http.delete(path, headers=headers) as answer:
            assert answer.status == 204
        await expect_discover(second, "The party has ended")


async def test_session_closed(opener: PageOpener, session: HostedSession) -> None:
    page = await opener.open(session.join_url)
    await enter(page, "Phone")
    await button(page, "Invite").click()

    await session.close("Good night")

    await expect_discover(page, "The party has ended: Good night")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await button(page, "Dismiss").click()
    await expect(ending(page)).to_have_count(0)
    await expect(page.get_by_role("heading", name="Find a party")).to_be_focused()
    await go_to(page, session.id)
    await expect(fault(page)).to_contain_text("There is no party with the code")
    opener.forgive("404")


async def test_server_stopped(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(session.join_url)
    await enter(page, "Phone")

    opener.ignore_network()
    await server.stop()

    await expect_discover(page, "The party has ended: Server shutting down")
    await expect(page.locator("#open-note")).to_contain_text("You are offline")


async def test_server_gone_for_good(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession
) -> None:
    url = f"{proxy.url}/?session={session.id}"
    page = await opener.open(url, has_fast_timers=True)
    await enter(page, "Phone")

    await page.evaluate(NOTE_STATES)
    opener.ignore_network()
    await proxy.cut()

    await expect(
        page.get_by_text("Three attempts to come back failed.")
    ).to_be_visible()
    await expect(
        page.get_by_role("heading", name="You lost the connection")
    ).to_be_focused()
    assert await page.evaluate("states") == [
        "Reconnecting, attempt 1 of 3",
        "Reconnecting, attempt 2 of 3",
        "Reconnecting, attempt 3 of 3",
        "Not connected",
    ]
    await button(page, "Try again").click()
    await expect(page.get_by_text("still does not answer")).to_be_visible()
    # It goes on trying by itself, and takes no focus for it.
    await expect(button(page, "Try again")).to_be_enabled()
    await button(page, "Back to the parties").focus()
    proxy.heal()
    await expect(state(page)).to_have_text("Connected")
    await expect(member(page, "Phone").get_by_text("You")).to_be_visible()


async def test_the_party_ended_while_one_was_away(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession
) -> None:
    page = await open_and_lose(opener, proxy, session)
    await session.close()
    proxy.heal()
    await expect_discover(page, "The party ended while you were away.")


async def test_connection_lost_and_found_twice(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(f"{proxy.url}/?session={session.id}")
    await join(page, "Phone")
    joined = await guest.next("member_joined")
    await expect(state(page)).to_have_text("Connected")

    for _ in range(2):
        opener.ignore_network()
        await proxy.cut()
        # Attempts are counted afresh each time.
        await expect(state(page)).to_have_text("Reconnecting, attempt 1 of 3")
        proxy.heal()
        await expect(state(page)).to_have_text("Connected")
        back = await guest.next("member_joined")
        assert back["member"]["id"] == joined["member"]["id"]
    assert "member_left" not in guest.types()


@pytest.mark.parametrize("way", [Way.BOTH, Way.TO_CLIENT])
async def test_silent_server_is_noticed(
    opener: PageOpener,
    proxy: FaultProxy,
    session: HostedSession,
    guest: Guest,
    way: Way,
) -> None:
    url = f"{proxy.url}/?session={session.id}"
    page = await opener.open(url, has_fast_timers=True)
    await join(page, "Phone")
    joined = await guest.next("member_joined")
    await expect(state(page)).to_have_text("Connected")

    for connection in proxy.connections:
        connection.drop(way)

    # The page gives the old connection up, but not the seat.
    back = await guest.next("member_joined")
    assert back["member"]["id"] == joined["member"]["id"]
    await expect(state(page)).to_have_text("Connected")
    assert "member_left" not in guest.types()


async def test_leaving_while_reconnecting(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession
) -> None:
    page = await open_and_lose(opener, proxy, session)
    await button(page, "Leave").click()

    await expect_discover(page, "You left the party.")
    await expect(page.locator("#open-note")).to_contain_text("You are offline")
    # The list is back as soon as the server is.
    proxy.heal()
    await expect(page.get_by_role("link", name="Friday Party")).to_be_visible()
    await expect(field(page, "Party code")).to_have_value("")
