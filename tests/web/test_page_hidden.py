"""Pages that nobody looks at: in the background, frozen, kept for the back button.

One of them is in the background for a minute of real time.
"""

import asyncio
from pathlib import Path

import pytest

from hidden_tab import Tab, chromium_tab
from loudsync import HostedSession, ServerSettings, SessionServer, events
from page_guest import Guest

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SLOW_TIMERS = """
const { setTimeout: own } = window;
window.setTimeout = (callback, ms) => own(callback, Math.max(ms, 60_000));
"""
"""A page's own timers as Chromium has them after five minutes in the background."""

COUNT_BEATS = """
window.beats = 0;
const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (text) {
  if (document.hidden && text.includes('"heartbeat"')) window.beats += 1;
  send.call(this, text);
};
"""

NO_WORKER = "delete window.Worker;"

STATE = "document.getElementById('state').textContent"

BEATS = 13
"""Five seconds apart: between the first and the last of them lies a minute."""


@pytest.fixture
def settings() -> ServerSettings:
    return ServerSettings()


async def join(tab: Tab, session: HostedSession, script: str = "") -> None:
    await tab.open(session.join_url, script)
    await tab.until("document.querySelector('#join:not([hidden])') !== null")
    await tab.evaluate(
        "document.getElementById('name').value = 'Phone';"
        "document.getElementById('join-button').click()"
    )
    await tab.until("document.querySelector('#room:not([hidden])') !== null")


async def join_and_hide(tab: Tab, session: HostedSession, script: str) -> None:
    await join(tab, session, script)
    await tab.hide()
    await tab.until("document.hidden")


async def test_a_minute_in_the_background(
    session: HostedSession, chromium_path: str, tmp_path: Path
) -> None:
    script = SLOW_TIMERS + COUNT_BEATS
    stream = session.events()
    async with chromium_tab(chromium_path, tmp_path) as tab, asyncio.timeout(150):
        await join_and_hide(tab, session, script)
        await tab.until(f"window.beats >= {BEATS}")
        assert await tab.evaluate("document.hidden")
        assert await tab.evaluate(STATE) == "Connected"
        assert [member.name for member in session.members] == ["Rishad", "Phone"]
        stream.close()
    happened = {type(event) async for event in stream}
    assert events.Joined in happened
    assert not happened & {events.Left, events.Reconnecting, events.Returned}


async def test_without_a_worker_it_would_be_lost(
    session: HostedSession, chromium_path: str, tmp_path: Path
) -> None:
    stream = session.events()
    async with chromium_tab(chromium_path, tmp_path) as tab, asyncio.timeout(60):
        await join_and_hide(tab, session, SLOW_TIMERS + NO_WORKER)
        async for event in stream:
            if isinstance(event, events.Left):
                assert event.reason == "timeout"
                break
    stream.close()


async def test_the_back_button_finds_the_party_as_it_was(
    server: SessionServer,
    session: HostedSession,
    guest: Guest,
    chromium_path: str,
    tmp_path: Path,
) -> None:
    async with chromium_tab(chromium_path, tmp_path) as tab, asyncio.timeout(60):
        await join(tab, session)
        member_id = await guest.next_id("member_joined")
        await tab.evaluate("window.isTheSame = true")
        await tab.go(f"{server.url}/healthz")
        await tab.until("location.pathname === '/healthz'")
        # Put to sleep, it lets go of the connection at once, but not of the seat.
        await guest.until_status("Phone", "reconnecting")
        await tab.evaluate("history.back()")
        await tab.until("location.pathname === '/'")
        assert await guest.next_id("member_joined") == member_id
        assert await tab.evaluate("window.isTheSame"), "not kept, but loaded"
        await tab.until(f"{STATE} === 'Connected'")
    assert "member_left" not in guest.types()


async def test_frozen_and_resumed(
    session: HostedSession, guest: Guest, chromium_path: str, tmp_path: Path
) -> None:
    async with chromium_tab(chromium_path, tmp_path) as tab, asyncio.timeout(60):
        await join(tab, session)
        member_id = await guest.next_id("member_joined")
        await tab.hide()
        await tab.until("document.hidden")
        await tab.set_lifecycle("frozen")
        await guest.until_status("Phone", "reconnecting")
        await tab.set_lifecycle("active")
        assert await guest.next_id("member_joined") == member_id
        await tab.until(f"{STATE} === 'Connected'")
    assert "member_left" not in guest.types()


async def test_it_can_be_installed(
    server: SessionServer, chromium_path: str, tmp_path: Path
) -> None:
    async with chromium_tab(chromium_path, tmp_path) as tab, asyncio.timeout(60):
        await tab.open(server.url)
        await tab.until("document.querySelector('#discover:not([hidden])') !== null")
        assert await tab.installability_errors() == []
