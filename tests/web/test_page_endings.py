"""How it ends: each time back at the form, with a message that says why."""

import aiohttp
import pytest
from playwright.async_api import Page, expect

from loudsync import HostedSession, SessionServer
from loudsync.testing import FaultProxy, Way
from page_guest import Guest
from page_opener import PageOpener, join, member, message, state

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


NOTE_STATES = """() => {
  window.states = [];
  const element = document.getElementById("state");
  new MutationObserver(() => states.push(element.textContent)).observe(
    element, { childList: true });
}"""


async def expect_form(page: Page, text: str) -> None:
    await expect(message(page)).to_contain_text(text)
    await expect(page.get_by_role("button", name="Join", exact=True)).to_be_enabled()
    await expect(page.locator("#session")).to_be_hidden()


async def test_kick(opener: PageOpener, session: HostedSession, guest: Guest) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    joined = await guest.next("member_joined")

    await session.kick(joined["member"]["id"], "Too loud")

    await expect_form(page, "You were removed from the session: Too loud")
    assert (await guest.next("member_left"))["reason"] == "kicked"
    # It sticks, and a reload doesn't try again by itself.
    await join(page, "Phone")
    await expect_form(page, "The session does not let you in")
    await page.reload()
    await expect(page.get_by_role("button", name="Join", exact=True)).to_be_enabled()


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
        await expect_form(first, "Host removed you from the session")
        await expect(second.locator("#news")).to_have_text("First browser was removed")
        await expect(row).to_have_count(0)

        async with http.delete(path, headers=headers) as answer:
            assert answer.status == 204
        await expect_form(second, "The session has ended")


async def test_session_closed(opener: PageOpener, session: HostedSession) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")

    await session.close("Good night")

    await expect_form(page, "The session has ended: Good night")
    await join(page, "Phone")
    await expect_form(page, "There is no session with the code")


async def test_server_stopped(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")

    await server.stop()

    await expect_form(page, "The session has ended: Server shutting down")
    await expect(page.locator("#open-note")).to_have_text(
        "The list is not available now."
    )
    # With 503 while it stops, refused afterwards.
    opener.forgive("Failed to load resource")


async def test_server_gone_for_good(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession
) -> None:
    url = f"{proxy.url}/?session={session.id}"
    page = await opener.open(url, has_fast_timers=True)
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")

    await page.evaluate(NOTE_STATES)
    await proxy.cut()

    await expect_form(page, "The connection was lost, and 3 attempts")
    assert await page.evaluate("states") == [
        "Reconnecting (1 of 3)…",
        "Reconnecting (2 of 3)…",
        "Reconnecting (3 of 3)…",
    ]
    await expect(page.get_by_label("Your name")).to_have_value("Phone")
    await expect(page.locator("#open-note")).to_have_text(
        "The list is not available now."
    )
    opener.forgive("ERR_CONNECTION_REFUSED")


async def test_connection_lost_and_found_twice(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(f"{proxy.url}/?session={session.id}")
    await join(page, "Phone")
    joined = await guest.next("member_joined")

    for _ in range(2):
        await proxy.cut()
        # Attempts are counted afresh each time.
        await expect(state(page)).to_have_text("Reconnecting (1 of 3)…")
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
    page = await opener.open(f"{proxy.url}/?session={session.id}")
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")

    await proxy.cut()
    await expect(state(page)).to_contain_text("Reconnecting")
    await page.get_by_role("button", name="Leave").click()

    await expect_form(page, "You left the session.")
    await expect(page.locator("#open-note")).to_have_text(
        "The list is not available now."
    )
    opener.forgive("ERR_CONNECTION_REFUSED")
