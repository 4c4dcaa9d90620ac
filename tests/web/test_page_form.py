"""The form: ways in, and what keeps somebody out."""

import pytest
from playwright.async_api import Page, expect

from loudsync import HostedSession, SessionServer
from page_guest import Guest
from page_opener import PageOpener, join, member, message, state

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FORBID_STORAGE = """
for (const kind of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, kind, {
    get() { throw new DOMException("Forbidden", "SecurityError"); },
  });
}
"""


async def test_a_link_needs_only_a_name_and_the_keyboard(
    opener: PageOpener, session: HostedSession
) -> None:
    page = await opener.open(session.join_url)
    await expect(page.get_by_label("Session code")).to_have_value(session.id)

    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Your name")).to_be_focused()
    await page.keyboard.type("  Phone ")
    await page.keyboard.press("Enter")

    await expect(member(page, "Phone")).to_be_visible()
    await expect(page.get_by_role("heading", name="Friday Party")).to_be_focused()
    await expect(page).to_have_title("Friday Party · LoudSync")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(message(page)).to_have_text("You left the session.")


async def test_open_sessions_are_listed_and_fill_in_the_code(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    await server.create_session("A secret")
    page = await opener.open(server.url)
    rows = page.get_by_role("listitem")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Friday Party")
    await expect(rows).to_contain_text("with Rishad")
    await expect(rows).to_contain_text("1 of 10")

    await rows.get_by_role("button").click()
    await expect(page.get_by_label("Session code")).to_have_value(session.id)
    await expect(page.get_by_label("Your name")).to_be_focused()
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")
    # The address now leads here, for a reload or a friend.
    await expect(page).to_have_url(session.join_url)

    await server.create_session("Kitchen", listed=True)
    await page.get_by_role("button", name="Leave").click()
    await expect(rows).to_have_count(2)
    await server.create_session("Garden", listed=True)
    await page.get_by_role("button", name="Refresh").click()
    await expect(rows).to_have_count(3)


async def test_wrong_code(opener: PageOpener, session: HostedSession) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone", "nope12")
    await expect(message(page)).to_contain_text(
        "There is no session with the code “nope12”"
    )
    await expect(page.get_by_label("Session code")).to_be_focused()

    await join(page, "Phone", session.id)
    await expect(state(page)).to_have_text("Connected")


async def test_a_code_that_is_html_is_shown_as_text(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await opener.open(f"{server.url}/?session=<img src=x>")
    await join(page, "Phone")
    await expect(message(page)).to_contain_text("“<img src=x>”")
    await expect(page.locator("main img")).to_have_count(0)


async def test_full_session(opener: PageOpener, server: SessionServer) -> None:
    session = await server.create_session("Tiny", max_members=1)
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    await expect(message(page)).to_contain_text("full: all 1 seats are taken")


async def test_a_name_that_is_refused(
    opener: PageOpener, session: HostedSession
) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Anna\u202egpj.exe")
    await expect(message(page)).to_contain_text("The server can't accept this name")
    await expect(page.get_by_label("Your name")).to_be_focused()


async def test_a_duplicated_tab_gets_a_seat_of_its_own(
    opener: PageOpener, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")

    async with page.expect_popup() as popup:
        await page.evaluate("void window.open(location.href)")
    copy = await popup.value
    await expect(message(copy)).to_contain_text("Another tab holds this seat")
    await expect(state(page)).to_have_text("Connected")

    await join(copy, "Phone, too")
    await expect(state(copy)).to_have_text("Connected")
    assert set(await guest.members()) >= {"Phone", "Phone, too"}


async def test_storage_may_be_forbidden(
    opener: PageOpener, session: HostedSession
) -> None:
    page = await opener.open(session.join_url, script=FORBID_STORAGE)
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")


async def test_plain_http_on_the_network(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(f"http://party.test:{server.port}/?session={session.id}")
    assert not await page.evaluate("isSecureContext")
    await join(page, "Phone")
    await expect(state(page)).to_have_text("Connected")


async def test_nothing_is_cut_off_at_320_px(
    opener: PageOpener, server: SessionServer
) -> None:
    long = "W" * 64
    session = await server.create_session(
        long, host_name=long, session_id="c" * 64, listed=True
    )
    page = await opener.open(session.join_url, width=320)
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await expect_to_fit(page)
    await join(page, "w" * 64, "d" * 64)
    await expect(message(page)).to_contain_text("There is no session")
    await expect_to_fit(page)
    await join(page, "w" * 64, session.id)
    await expect(member(page, "w" * 64)).to_be_visible()
    await expect_to_fit(page)


async def test_the_policy_holds_and_the_watch_sees_it(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await opener.open(server.url)
    await page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "document.title = 'run'";
          document.head.append(script);
        }"""
    )
    await expect(page).to_have_title("LoudSync")
    opener.forgive("Content Security Policy")


async def expect_to_fit(page: Page) -> None:
    sizes = "[document.documentElement.scrollWidth, innerWidth]"
    needed, there = await page.evaluate(sizes)
    assert needed <= there
