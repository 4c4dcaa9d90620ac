"""Who is there: the page among other guests."""

import asyncio

import pytest
from playwright.async_api import WebSocket, expect

from loudsync import HostedSession, ServerSettings, SessionServer, events
from page_guest import Guest
from page_opener import (
    PageOpener,
    button,
    ending,
    enter,
    field,
    go_to,
    join,
    member,
    state,
    toasts,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_two_browsers_and_a_raw_client_see_each_other(
    opener: PageOpener, session: HostedSession, guest: Guest
) -> None:
    first = await opener.open(session.join_url)
    second = await opener.open(session.join_url)
    await join(first, "First browser")
    await join(second, "Second browser")

    for page, own in ((first, "First browser"), (second, "Second browser")):
        await expect(page.get_by_role("heading", name="Friday Party")).to_be_visible()
        await expect(state(page)).to_have_text("Connected")
        await expect(page.locator("#count")).to_have_text("4")
        for name in ("Rishad", "Sara's Android", "First browser", "Second browser"):
            row = member(page, name)
            await expect(row.locator(".status")).to_have_text("connected")
            await expect(row.get_by_text("You", exact=True)).to_be_visible(
                visible=name == own
            )
            await expect(row.get_by_text("Host", exact=True)).to_be_visible(
                visible=name == "Rishad"
            )
    assert set(await guest.members()) == {
        "Rishad",
        "Sara's Android",
        "First browser",
        "Second browser",
    }

    for page in (first, second):
        await expect(page.locator("#latency")).to_contain_text("ms")
        for name in ("Sara's Android", "First browser", "Second browser"):
            await expect(member(page, name).locator(".latency")).to_contain_text("ms")
        await expect(member(page, "Rishad").locator(".latency")).to_be_empty()


async def test_reload_keeps_the_seat(
    opener: PageOpener, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(session.join_url)
    await enter(page, "Phone")
    joined = await guest.next("member_joined")

    await page.reload()

    # Nothing to press: it was in a session and is again.
    await expect(state(page)).to_have_text("Connected")
    await expect(member(page, "Phone").get_by_text("You")).to_be_visible()
    back = await guest.next("member_joined")
    assert back["member"]["id"] == joined["member"]["id"]
    assert back["member"]["joinedAt"] == joined["member"]["joinedAt"]
    assert set(await guest.members()) == {"Rishad", "Sara's Android", "Phone"}
    assert "member_left" not in guest.types()


async def test_leaving_is_told_to_the_others(
    opener: PageOpener, session: HostedSession, guest: Guest
) -> None:
    page = await opener.open(session.join_url)
    await join(page, "Phone")
    joined = await guest.next("member_joined")

    await button(page, "Leave").click()

    await expect(ending(page)).to_have_text("You left the party.")
    left = await guest.next("member_left")
    assert left["memberId"] == joined["member"]["id"]
    assert left["reason"] == "left"

    await page.reload()
    await go_to(page, session.id)
    await expect(field(page, "Your name")).to_have_value("Phone")
    await expect(button(page, "Join")).to_be_enabled()


async def test_others_come_get_lost_and_go(
    opener: PageOpener, server: SessionServer, session: HostedSession
) -> None:
    page = await opener.open(session.join_url)
    await enter(page, "Phone")
    news = toasts(page).last
    device = {"id": "a device that comes back"}

    async with Guest(server.port) as bob:
        await bob.join(session.id, "Bob", device=device)
        await expect(news).to_have_text("Bob joined")
        bob.vanish()
        await expect(member(page, "Bob").locator(".status")).to_have_text(
            "reconnecting"
        )

    async with Guest(server.port) as bob:
        await bob.join(session.id, "Bob", device=device)
        await expect(member(page, "Bob").locator(".status")).to_have_text("connected")
        await bob.send("leave")
        await expect(news).to_have_text("Bob left")
        await expect(member(page, "Bob")).to_have_count(0)
        await expect(page.locator("#count")).to_have_text("2")


async def test_names_are_shown_as_text(
    opener: PageOpener, server: SessionServer
) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    session = await server.create_session(
        f"Party {evil}"[:64], host_name=evil, listed=True
    )
    page = await opener.open(session.join_url)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await expect(page.get_by_role("heading", name=session.name)).to_be_visible()
    await expect(page.get_by_text(f"with {evil}")).to_be_visible()

    async with Guest(server.port) as guest:
        await join(page, "<b>Phone</b>")
        await expect(member(page, "<b>Phone</b>")).to_be_visible()
        await guest.join(session.id, evil)
        await expect(member(page, evil)).to_have_count(2)
        await expect(toasts(page).last).to_have_text(f"{evil} joined")
        await expect(page.get_by_role("heading", name=session.name)).to_be_visible()
        await expect(page.locator("main :is(img, script, b)")).to_have_count(0)
    assert dialogs == []


class TestQuickServer:
    @pytest.fixture
    def settings(self) -> ServerSettings:
        return ServerSettings(heartbeat_timeout_s=4, heartbeat_check_s=0.2)

    async def test_heartbeats_keep_the_seat(
        self, opener: PageOpener, server: SessionServer, session: HostedSession
    ) -> None:
        page = await opener.open(session.join_url, has_fast_timers=True)
        beats: list[str] = []
        enough = asyncio.Event()

        def count(frame: str | bytes) -> None:
            if '"heartbeat"' in str(frame):
                beats.append(str(frame))
            # Twenty beats, 250 ms apart, take longer than the timeout.
            if len(beats) == 20:
                enough.set()

        def watch(socket: WebSocket) -> None:
            socket.on("framesent", count)

        page.on("websocket", watch)
        async with session.events() as stream:
            await join(page, "Phone")
            async with asyncio.timeout(30):
                await enough.wait()
            stream.close()
            seen = [event async for event in stream]
        assert [member.name for member in session.members] == ["Rishad", "Phone"]
        assert not any(
            isinstance(event, events.Left | events.Reconnecting) for event in seen
        )
