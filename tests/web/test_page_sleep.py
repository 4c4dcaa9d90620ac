"""Pages that sleep, networks that go, and what is left of an installed page."""

import pytest
from playwright.async_api import Page, expect

from loudsync import HostedSession
from loudsync.testing import FaultProxy
from page_guest import Guest
from page_opener import PageOpener, button, join, state

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PATIENT = """
const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function ([id, ms]) {
  postMessage.call(this, [id, ms === 2_000 || ms > 5_000 ? ms : ms * 1_000]);
};
const { setTimeout: own } = window;
window.setTimeout = (callback, ms) => own(callback, ms > 2_000 && ms <= 5_000 ? ms * 1_000 : ms);
"""
"""No heartbeat and no second attempt comes due by itself: who comes back, was called."""


async def is_kept(guest: Guest, member_id: str) -> None:
    assert await guest.next_id("member_joined") == member_id
    assert "member_left" not in guest.types()


async def join_as(page: Page, guest: Guest) -> str:
    await join(page, "Phone")
    member_id = await guest.next_id("member_joined")
    await expect(state(page)).to_have_text("Connected")
    return member_id


async def test_offline_is_noticed_and_online_too(
    opener: PageOpener, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(session.join_url, script=PATIENT)
    member_id = await join_as(page, guest)
    opener.ignore_network()
    await page.context.set_offline(True)
    await expect(state(page)).to_have_text("Reconnecting, attempt 1 of 3")
    await page.context.set_offline(False)
    await is_kept(guest, member_id)
    await expect(state(page)).to_have_text("Connected")


async def test_back_in_the_network_after_it_was_given_up(
    opener: PageOpener, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(session.join_url, has_fast_timers=True)
    member_id = await join_as(page, guest)
    opener.ignore_network()
    await page.context.set_offline(True)
    await expect(page.get_by_text("Three attempts to come back failed")).to_be_visible()
    await page.context.set_offline(False)
    await is_kept(guest, member_id)
    await expect(state(page)).to_have_text("Connected")
    await expect(page.get_by_role("heading", name="You lost")).to_be_hidden()


async def test_a_network_that_died_unseen(
    opener: PageOpener, proxy: FaultProxy, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(f"{proxy.url}/?session={session.id}", script=PATIENT)
    member_id = await join_as(page, guest)
    for connection in proxy.connections:
        connection.drop()
    # As when a phone is unlocked: no answer within two seconds, and it is back.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await is_kept(guest, member_id)
    await expect(state(page)).to_have_text("Connected")


async def test_an_installed_page_says_that_the_server_is_gone(
    opener: PageOpener, proxy: FaultProxy
) -> None:
    page = await opener.open(proxy.url)
    await page.evaluate("navigator.serviceWorker.ready.then(() => {})")
    await page.reload()  # From here on the service worker has it.
    opener.ignore_network()
    await proxy.cut()
    await page.reload()
    await expect(page.locator("#open-note")).to_contain_text("You are offline")
    await page.goto(f"{proxy.url}/?session=k7m2xp")
    await expect(page.get_by_text("You are offline")).to_be_visible()
    await join(page, "Phone")
    await expect(page.get_by_text("The party server does not answer")).to_be_visible()
    proxy.heal()
    await button(page, "Join").click()
    await expect(page.get_by_text("There is no party with the code")).to_be_visible()
