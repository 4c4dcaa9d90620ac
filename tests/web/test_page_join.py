"""Ways in, and what keeps somebody out."""

import pytest
from playwright.async_api import Page, expect

from loudsync import HostedSession, SessionServer
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
)

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
    heading = page.get_by_role("heading", name="Friday Party")
    await expect(heading).to_be_focused()
    await expect(page.get_by_text("with Rishad · 1 of 10 seats taken")).to_be_visible()

    await page.keyboard.press("Tab")
    await expect(field(page, "Your name")).to_be_focused()
    await page.keyboard.type("  Phone ")
    await page.keyboard.press("Enter")

    await expect(member(page, "Phone")).to_be_visible()
    await expect(heading).to_be_focused()
    await expect(page).to_have_title("Friday Party · LoudSync")
    await page.keyboard.press("Tab")
    await expect(button(page, "Invite")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(ending(page)).to_have_text("You left the party.")


async def test_listed_parties_are_a_tap_away(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    await server.create_session("A secret")
    page = await opener.open(server.url)
    rows = page.get_by_role("list", name="Open parties").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    for text in ("Friday Party", "with Rishad", "1 of 10", session.id):
        await expect(rows).to_contain_text(text)
    # It looks again by itself, and takes nothing away from under a finger.
    await server.create_session("Kitchen", listed=True)
    await expect(rows).to_have_count(2)

    await rows.get_by_role("link", name="Friday Party").click()
    await expect(page).to_have_url(session.join_url)
    await enter(page, "Phone")
    await expect(page).to_have_url(session.join_url)


async def test_one_failed_look_takes_nothing_away(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(server.url)
    link = page.get_by_role("link", name="Friday Party")
    await link.focus()
    opener.ignore_network()
    await page.route("**/sessions", lambda route: route.fulfill(status=503))
    await expect(page.locator("#open-note")).to_contain_text("not available now")
    await expect(link).to_be_focused()
    await page.unroute("**/sessions")
    await expect(page.locator("#open-note")).to_be_empty()
    # What is really gone lets go of the focus, but does not lose it.
    await session.close()
    await expect(link).to_have_count(0)
    await expect(page.get_by_role("heading", name="Find a party")).to_be_focused()


async def test_names_that_run_from_right_to_left(
    opener: PageOpener, server: SessionServer
) -> None:
    session = await server.create_session("Garden", host_name="שרה כהן")
    page = await opener.open(session.join_url)
    host = page.locator("bdi", has_text="שרה כהן").first
    await expect(host).to_be_visible()
    await expect(page.get_by_text("1 of 10 seats taken", exact=True)).to_be_visible()


async def test_back_and_forth(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(server.url)
    await go_to(page, session.id)
    await expect(page.get_by_role("heading", name="Friday Party")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Find a party")).to_be_visible()
    await page.go_forward()
    await expect(page.get_by_role("heading", name="Friday Party")).to_be_visible()
    await enter(page, "Phone")
    # In a party the back button may be a slip: it asks.
    await page.go_back()
    await expect(page.get_by_role("dialog")).to_contain_text("Leave the party?")
    await button(page, "Cancel").click()
    await expect(state(page)).to_have_text("Connected")
    await page.go_back()
    await page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await expect(ending(page)).to_have_text("You left the party.")


@pytest.mark.parametrize(
    "typed", ["k7m2qx", " K7M2QX ", "http://192.0.2.1:8080/?session=k7m2qx"]
)
async def test_codes_as_people_type_them(
    opener: PageOpener, server: SessionServer, session: HostedSession, typed: str
) -> None:
    page = await opener.open(server.url)
    await go_to(page, typed)
    await expect(page).to_have_url(session.join_url)
    await expect(page.get_by_role("heading", name="Friday Party")).to_be_visible()
    if typed.isupper():
        opener.forgive("404")


async def test_wrong_code(opener: PageOpener, server: SessionServer) -> None:
    page = await opener.open(f"{server.url}/?session=nope12")
    await expect(fault(page)).to_contain_text(
        "There is no party with the code “nope12”"
    )
    await expect(field(page, "Party code")).to_be_focused()
    await expect(field(page, "Party code")).to_have_value("nope12")
    await expect(page).to_have_url(f"{server.url}/")
    await go_to(page, "nope34")
    await expect(fault(page)).to_contain_text("“nope34”")
    for nonsense in ("..", "http://x/?session=%zz", "a/b", "x" * 65):
        await go_to(page, nonsense)
        await expect(fault(page)).to_contain_text("There is no party")
    await go_to(page, " ")
    await expect(fault(page)).to_contain_text("Type the party's code")
    opener.forgive("404")


async def test_a_code_that_is_html_is_shown_as_text(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await opener.open(f"{server.url}/?session=<img src=x>")
    await expect(fault(page)).to_contain_text("“<img src=x>”")
    await expect(page.locator("main img")).to_have_count(0)
    opener.forgive("404")


async def test_full_party(opener: PageOpener, server: SessionServer) -> None:
    session = await server.create_session("Tiny", max_members=1)
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    await expect(fault(page)).to_contain_text("full: all 1 seats are taken")
    await expect(button(page, "Join")).to_be_enabled()


async def test_no_name(opener: PageOpener, session: HostedSession) -> None:
    page = await opener.open(session.join_url)
    await join(page, "  ")
    await expect(fault(page)).to_contain_text("Type a name")
    await expect(field(page, "Your name")).to_be_focused()


async def test_a_name_that_is_refused(
    opener: PageOpener, session: HostedSession
) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Anna\u202egpj.exe")
    await expect(fault(page)).to_contain_text("The server can't accept this name")
    await expect(field(page, "Your name")).to_be_focused()


async def test_the_name_is_remembered(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    await button(page, "Leave").click()
    await go_to(page, session.id)
    await expect(field(page, "Your name")).to_have_value("Phone")
    await page.goto(f"{server.url}/?start")
    await expect(field(page, "Your name")).to_have_value("Phone")


async def test_a_duplicated_tab_gets_a_seat_of_its_own(
    opener: PageOpener, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(session.join_url)
    await enter(page, "Phone")
    device = "sessionStorage.getItem('loudsync.device')"
    first = await page.evaluate(device)

    async with page.expect_popup() as popup:
        await page.evaluate("void window.open(location.href)")
    copy = await popup.value

    await expect(state(copy)).to_have_text("Connected")
    await expect(state(page)).to_have_text("Connected")
    assert await page.evaluate(device) == first
    assert await copy.evaluate(device) != first
    await expect(member(page, "Phone")).to_have_count(2)
    members = (await guest.next("member_joined"), await guest.next("member_joined"))
    assert len({joined["member"]["id"] for joined in members}) == 2


async def test_storage_may_be_forbidden(
    opener: PageOpener, session: HostedSession
) -> None:
    page = await opener.open(session.join_url, script=FORBID_STORAGE)
    await enter(page, "Phone")


async def test_plain_http_on_the_network(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(f"http://party.test:{server.port}/?session={session.id}")
    assert not await page.evaluate("isSecureContext")
    await enter(page, "Phone")
    await button(page, "Invite").click()
    await button(page, "Copy the link").click()
    await expect(page.locator("dialog .shared")).to_contain_text("The link is selected")
    shown = await page.locator("dialog .link").text_content()
    assert await page.evaluate("getSelection().toString()") == shown


async def test_nothing_is_cut_off_at_320_px(
    opener: PageOpener, server: SessionServer
) -> None:
    long = "W" * 64
    session = await server.create_session(
        long, host_name=long, session_id="c" * 64, listed=True
    )
    page = await opener.open(server.url, width=320)
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await expect_to_fit(page)
    await go_to(page, "d" * 64)
    await expect(fault(page)).to_contain_text("There is no party")
    await expect_to_fit(page)
    await go_to(page, session.id)
    await expect(page.get_by_role("heading", name=long)).to_be_visible()
    await expect_to_fit(page)
    await join(page, "w" * 64)
    await expect(member(page, "w" * 64)).to_be_visible()
    await expect_to_fit(page)
    await button(page, "Invite").click()
    await expect(page.locator("dialog .qr svg")).to_be_visible()
    await expect_to_fit(page)
    opener.forgive("404")


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
