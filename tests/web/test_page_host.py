"""The host's side of the page: start, invite, remove, end."""

import pytest
from playwright.async_api import Browser, Page, Route, WebSocketRoute, expect

import loudsync
from loudsync import ServerSettings, SessionServer
from loudsync.testing import FaultProxy
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
    kick,
    member,
    start,
    state,
    toasts,
)
from qr_scan import scan

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


WHERE_THE_FOCUS_IS = """() => [
  document.activeElement.getBoundingClientRect().bottom,
  document.querySelector("#room .bar").getBoundingClientRect().top,
  document.activeElement.textContent,
]"""


async def host_party(opener: PageOpener, server: SessionServer) -> Page:
    page = await opener.open(server.url)
    await start(page, "Friday Party", "Rishad")
    await expect(state(page)).to_have_text("Connected")
    return page


async def test_a_party_from_nothing(
    opener: PageOpener, server: SessionServer, browser: Browser
) -> None:
    page = await host_party(opener, server)

    (session,) = server.sessions()
    assert (session.name, session.max_members) == ("Friday Party", 10)
    await expect(page).to_have_url(session.join_url)
    await expect(page.get_by_role("heading", name="Friday Party")).to_be_focused()
    row = member(page, "Rishad")
    await expect(row.get_by_text("Host", exact=True)).to_be_visible()
    await expect(row.get_by_text("You", exact=True)).to_be_visible()
    await expect(page.locator("#invite-card .code")).to_have_text(session.id)
    await expect(page.locator("#invite-card .link")).to_have_text(session.join_url)
    qr = page.get_by_role("img", name="QR code of the link to this party")
    assert await scan(browser, qr) == session.join_url

    other = await opener.open(server.url)
    await expect(other.get_by_role("link", name="Friday Party")).to_be_visible()


async def test_the_choices(opener: PageOpener, server: SessionServer) -> None:
    page = await opener.open(f"{server.url}/?start")
    await field(page, "Name of the party").fill("Quiet evening")
    await field(page, "Your name").fill("Mia")
    await page.get_by_role("spinbutton", name="Seats").fill("2")
    await page.get_by_role("checkbox").uncheck()
    await button(page, "Start the party").click()
    await expect(state(page)).to_have_text("Connected")
    (session,) = server.sessions()
    assert (session.max_members, session.members[0].name) == (2, "Mia")
    other = await opener.open(server.url)
    await expect(other.locator("#open-note")).to_contain_text("None is listed")


async def test_what_is_missing_or_wrong_is_said(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await opener.open(f"{server.url}/?start")
    await button(page, "Start the party").click()
    await expect(fault(page)).to_have_text("Give the party a name.")
    await expect(field(page, "Name of the party")).to_be_focused()
    await field(page, "Name of the party").fill("Friday\u202eParty")
    await button(page, "Start the party").click()
    await expect(fault(page)).to_contain_text("Type your name")
    await field(page, "Your name").fill("Rishad")
    seats = page.get_by_role("spinbutton", name="Seats")
    await seats.fill("")
    await button(page, "Start the party").click()
    await expect(fault(page)).to_contain_text("how many seats")
    await seats.fill("20000")
    await button(page, "Start the party").click()
    await expect(fault(page)).to_contain_text("The server can't accept this")
    await expect(seats).to_be_focused()
    await seats.fill("20")
    await button(page, "Start the party").click()
    await expect(field(page, "Name of the party")).to_be_focused()
    await field(page, "Name of the party").fill("Friday Party")
    await button(page, "Start the party").click()
    await expect(state(page)).to_have_text("Connected")
    opener.forgive("400")


async def test_remove_and_it_sticks(opener: PageOpener, server: SessionServer) -> None:
    page = await host_party(opener, server)
    (session,) = server.sessions()
    guest = await opener.open(session.join_url)
    await join(guest, "Sara")
    await expect(toasts(page)).to_have_text("Sara joined")
    await expect(button(page, "Remove Rishad")).to_have_count(0)
    await expect(button(guest, "Remove Rishad")).to_have_count(0)

    await button(page, "Remove Sara").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Remove Sara?")
    await page.keyboard.press("Escape")
    await expect(member(page, "Sara")).to_be_visible()
    await kick(page, "Sara", "Too loud")

    await expect(ending(guest)).to_have_text(
        "You were removed from the party: Too loud"
    )
    await expect(toasts(page).last).to_have_text("Sara was removed")
    await expect(member(page, "Sara")).to_have_count(0)
    await go_to(guest, session.id)
    await join(guest, "Sara")
    await expect(fault(guest)).to_contain_text("does not let you in")


async def test_a_reload_is_the_same_host(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await host_party(opener, server)
    (session,) = server.sessions()
    async with Guest(server.port) as guest:
        await guest.join(session.id, "Sara")
        await page.reload()
        await expect(state(page)).to_have_text("Connected")
        back = await guest.next("member_joined")
        assert back["member"]["isHost"]
        await kick(page, "Sara", "")
        assert (await guest.next("kicked"))["reason"]


async def test_the_host_who_went_away_and_comes_back_is_the_host(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await host_party(opener, server)
    await page.goto(server.url)
    await page.get_by_role("link", name="Friday Party").click()
    await expect(button(page, "End the party")).to_be_visible()
    await expect(page.locator("#count")).to_have_text("1")


async def test_a_failed_reload_loses_no_party(
    opener: PageOpener, server: SessionServer
) -> None:
    is_open = True

    async def carry(route: WebSocketRoute) -> None:
        if is_open:
            route.connect_to_server()
        else:
            await route.close()

    page = await opener.open("about:blank")
    await page.route_web_socket("**/ws", carry)
    await page.goto(server.url)
    await start(page, "Friday Party", "Rishad")
    await expect(state(page)).to_have_text("Connected")
    is_open = False
    await page.reload()
    await expect(fault(page)).to_contain_text("does not answer")
    is_open = True
    await button(page, "Join").click()
    await expect(button(page, "End the party")).to_be_visible()


async def test_the_focus_has_a_place_after_all(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await host_party(opener, server)
    (session,) = server.sessions()
    members = page.get_by_role("heading", name="Members")
    async with Guest(server.port) as sara, Guest(server.port) as bob:
        await sara.join(session.id, "Sara")
        await bob.join(session.id, "Bob")
        # Removed with the keyboard: the button is gone, the list is there.
        await button(page, "Remove Sara").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        await expect(member(page, "Sara")).to_have_count(0)
        await expect(members).to_be_focused()
        await button(page, "Remove Bob").focus()
        await bob.send("leave")
        await expect(members).to_be_focused()


async def test_nobody_is_asked_about_who_has_left(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await host_party(opener, server)
    (session,) = server.sessions()
    async with Guest(server.port) as sara:
        await sara.join(session.id, "Sara")
        await button(page, "Remove Sara").click()
        await sara.send("leave")
        await expect(member(page, "Sara")).to_have_count(0)
        await button(page, "Remove").click()
        await expect(toasts(page).last).to_have_text("Sara has left already")


async def test_a_host_may_go_without_a_connection(
    opener: PageOpener, proxy: FaultProxy
) -> None:
    page = await opener.open(proxy.url)
    await start(page, "Friday Party", "Rishad")
    await expect(state(page)).to_have_text("Connected")
    opener.ignore_network()
    await proxy.cut()
    await button(page, "End the party").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("There is no connection now")
    await dialog.get_by_role("button", name="Leave").click()
    await expect(ending(page)).to_be_visible()


async def test_a_late_answer_pulls_nobody_away(
    opener: PageOpener, server: SessionServer
) -> None:
    session = await server.create_session("Garden", listed=True)
    page = await opener.open(server.url)
    answers: list[Route] = []

    async def hold(route: Route) -> None:
        if route.request.method == "POST":
            answers.append(route)
        else:
            await route.continue_()

    await page.route("**/sessions", hold)
    await start(page, "Changed my mind", "Sara")
    await expect(button(page, "Starting…")).to_be_disabled()
    await page.get_by_role("link", name="Back").click()
    await page.get_by_role("link", name="Garden").click()
    await enter(page, "Sara")
    async with page.expect_response("**/sessions"):
        await answers[0].continue_()
    await expect(page).to_have_url(session.join_url)
    await expect(page.get_by_role("heading", name="Garden")).to_be_visible()


async def test_no_control_is_under_the_bar_when_it_has_the_focus(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await opener.open(server.url, width=320, height=568)
    await start(page, "Friday Party", "Rishad")
    await expect(page.locator("#invite-card svg")).to_be_visible()
    (session,) = server.sessions()
    async with Guest(server.port) as sara:
        await sara.join(session.id, "Sara")
        await expect(member(page, "Sara")).to_be_visible()
        reached = []
        for _ in range(3):
            await page.keyboard.press("Tab")
            bottom, bar, text = await page.evaluate(WHERE_THE_FOCUS_IS)
            reached.append(text)
            if "End" not in text:
                assert bottom <= bar, text
    assert reached == ["Copy the link", "Remove", "End the party"]


async def test_a_copy_of_the_hosts_tab_is_told_so(
    opener: PageOpener, server: SessionServer
) -> None:
    page = await host_party(opener, server)
    async with page.expect_popup() as popup:
        await page.evaluate("void window.open(location.href)")
    copy = await popup.value
    await expect(fault(copy)).to_contain_text("Another tab hosts this party")
    await expect(state(page)).to_have_text("Connected")


async def test_the_end(opener: PageOpener, server: SessionServer) -> None:
    page = await host_party(opener, server)
    (session,) = server.sessions()
    async with loudsync.join(session.join_url, name="Sara") as sara:
        await button(page, "End the party").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("It ends for everybody")
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(state(page)).to_have_text("Connected")
        await button(page, "End the party").click()
        await dialog.get_by_role("button", name="End the party").click()
        await expect(ending(page)).to_contain_text("The party has ended")
        seen = [event async for event in sara]
        assert isinstance(seen[-1], loudsync.events.SessionEnded)
    assert not server.sessions()


class TestWithAnApiKey:
    @pytest.fixture
    def settings(self) -> ServerSettings:
        return ServerSettings(api_key="a secret")

    async def test_it_is_asked_for(
        self, opener: PageOpener, server: SessionServer
    ) -> None:
        page = await opener.open(server.url)
        await start(page, "Friday Party", "Rishad")
        await expect(fault(page)).to_contain_text("only for who has its key")
        await expect(field(page, "Key of this server")).to_be_focused()
        await field(page, "Key of this server").fill("a secret")
        await button(page, "Start the party").click()
        await expect(state(page)).to_have_text("Connected")
        opener.forgive("401")
