"""The screens with a real party behind them, driven by Textual's pilot."""

import asyncio

import pytest

from loudsync.cli.screens.dialogs import CloseDialog, KickDialog
from loudsync.cli.screens.members import MemberTable
from loudsync.cli.screens.qr_code import QrScreen
from loudsync.core.events import RemovedByHost, SessionEnded, StateChanged
from loudsync.protocol import ConnectionState
from qr_lines import scan_lines
from screen_party import guest_screen, host_screen, until
from terminal_screens import lines_of

SIZES = [(80, 24), (60, 20), (40, 10), (20, 5), (200, 60)]


async def test_a_host_sees_how_to_get_in_and_a_phone_does() -> None:
    async with host_screen() as host:
        await host.until("End party")
        lines = lines_of(host.app)
        assert lines[0].split() == ["Friday", "Party", "1", "of", "10", "here"]
        assert "k 7 m 2 x p" in lines[2]
        assert host.session.join_url in host.text
        assert scan_lines(lines) == host.session.join_url
        assert "› Sara (you)  connected" in host.text  # noqa: RUF001
        assert lines[-1].split() == (
            ["c", "Copy", "link", "r", "QR", "k", "Kick", "q", "End", "party"]
        )


async def test_guests_come_and_go() -> None:
    async with host_screen() as host:
        async with host.join("Ben"):
            await host.until("2 of 10 here")
            await host.until("Ben joined")
            async with host.join("[red]Eve[/red]"):
                await host.until("[red]Eve[")
        await host.until("1 of 10 here")
        await host.until("Ben left")


async def test_a_guest_is_kicked_with_a_reason() -> None:
    async with host_screen() as host, host.join("Ben") as ben:
        await host.until("Ben joined")
        await host.pilot.press("down", "k")
        await host.until("Kick Ben?")
        await host.pilot.press(*"quite", "space", *"[b]loud", "enter")
        await host.until("Ben was removed")
        events = [event async for event in ben]
        assert isinstance(events[-1], RemovedByHost)
        assert events[-1].reason == "quite [b]loud"
        assert not isinstance(host.app.screen, KickDialog)


@pytest.mark.parametrize("way_out", [("escape",), ("tab", "tab", "enter")])
async def test_who_is_not_kicked_stays(way_out: tuple[str, ...]) -> None:
    async with host_screen() as host, host.join("Ben"):
        await host.until("Ben joined")
        await host.pilot.press("down", "k", *"loud", *way_out)
        await host.pilot.pause()
        assert not isinstance(host.app.screen, KickDialog)
        assert len(host.session.members) == 2


async def test_the_kick_button_kicks() -> None:
    async with host_screen() as host, host.join("Ben"):
        await host.until("Ben joined")
        await host.pilot.press("down", "k")
        await host.pilot.click("#yes")
        await host.until("Ben was removed")


async def test_the_host_cannot_kick_itself() -> None:
    async with host_screen() as host:
        await host.pilot.press("k")
        await host.until("This is you")
        assert not isinstance(host.app.screen, KickDialog)


async def test_a_dialog_closes_when_its_guest_has_left() -> None:
    async with host_screen() as host:
        async with host.join("Ben"):
            await host.until("Ben joined")
            await host.pilot.press("down", "k")
            assert isinstance(host.app.screen, KickDialog)
        await host.until("Ben has left")
        assert not isinstance(host.app.screen, KickDialog)


async def test_a_kick_that_comes_too_late_is_a_notice() -> None:
    async with host_screen() as host, host.join("Ben"):
        await host.until("Ben joined")
        await host.pilot.press("down", "k")
        await host.session.kick(host.session.members[1].id)
        # The screen has not heard of it yet.
        dialog = host.app.screen
        assert isinstance(dialog, KickDialog)
        dialog.dismiss("Bye")
        await host.until("Ben was not kicked")


async def test_the_link_is_copied() -> None:
    async with host_screen() as host:
        await host.pilot.press("c")
        await host.until("Link copied")
        assert host.app.clipboard == host.session.join_url


async def test_the_code_takes_the_whole_screen() -> None:
    async with host_screen() as host:
        for key in ("escape", "r", "q"):
            await host.pilot.press("r")
            assert isinstance(host.app.screen, QrScreen)
            link = host.session.join_url
            await until(host.pilot, lambda: scan_lines(lines_of(host.app)) == link)  # noqa: B023
            await host.pilot.press(key)
            assert not isinstance(host.app.screen, QrScreen)
        assert not host.session.is_closed


async def test_the_end_is_asked_for_first() -> None:
    async with host_screen() as host, host.join("Ben") as ben:
        await host.until("Ben joined")
        for no in ("escape", "n", "enter"):
            await host.pilot.press("q")
            assert isinstance(host.app.screen, CloseDialog)
            await host.until("your guest, too")
            await host.pilot.press(no)
            assert not isinstance(host.app.screen, CloseDialog)
        assert not host.session.is_closed
        await host.pilot.press("ctrl+q", "ctrl+q", "y")
        await until(host.pilot, lambda: host.session.is_closed)
        events = [event async for event in ben]
        assert isinstance(events[-1], SessionEnded)


async def test_ctrl_c_ends_without_a_question_even_in_a_dialog() -> None:
    async with host_screen() as host, host.join("Ben"):
        await host.until("Ben joined")
        await host.pilot.press("down", "k", "x", "ctrl+c")
        assert host.interrupts == 1


async def test_it_survives_every_size_and_comes_back() -> None:
    async with host_screen() as host, host.join("Ben"):
        await host.until("Ben joined")
        await host.pilot.press("down")
        before = lines_of(host.app)
        for keys, back in (("", ""), ("r", "r"), ("k", "escape"), ("q", "n")):
            await host.pilot.press(*keys)
            for width, height in [*SIZES, *reversed(SIZES)]:
                await host.pilot.resize_terminal(width, height)
                await until(host.pilot, lambda: len(lines_of(host.app)) == height)  # noqa: B023
                if not keys:
                    await host.until("Ben")
            await host.pilot.press(*([back] if back else []))
        await host.pilot.resize_terminal(80, 24)
        await until(host.pilot, lambda: lines_of(host.app) == before)


async def test_a_guest_sees_itself_and_how_it_is_connected() -> None:
    async with (
        host_screen() as host,
        host.join("Ben") as ben,
        guest_screen(ben, host.server.url) as (app, view, pilot),
    ):
        lines = lines_of(app)
        assert lines[0].split() == ["Friday", "Party", "2", "here"]
        assert any(line.startswith(" You   connected") for line in lines)
        assert any("Sara (host)" in line for line in lines)
        assert any("Ben (you)" in line for line in lines)
        assert scan_lines(lines) == f"{host.server.url}/?session=k7m2xp"
        assert "Kick" not in lines[-1]
        lost = StateChanged(
            state=ConnectionState.RECONNECTING,
            attempt=2,
            max_attempts=3,
            reason="the connection broke",
        )
        view.apply(lost)
        app.leave_snapshot(view.snapshot())
        state = "You   reconnecting, attempt 2 of 3"
        await until(pilot, lambda: state in "\n".join(lines_of(app)))
        view.apply(StateChanged(state=ConnectionState.CONNECTED))
        app.leave_snapshot(view.snapshot())
        await until(pilot, lambda: "You   connected" in "\n".join(lines_of(app)))


async def test_a_guest_leaves_at_once() -> None:
    async with (
        host_screen() as host,
        host.join("Ben") as ben,
        guest_screen(ben, host.server.url) as (_, _, pilot),
    ):
        await pilot.press("q")
        await host.until("Ben left")
        assert [event async for event in ben][-1:] != []
        with pytest.raises(StopAsyncIteration):
            await anext(ben)


async def test_who_is_selected_stays_selected() -> None:
    async with host_screen() as host, host.join("Eve"):
        async with host.join("Ann"), host.join("Ben"):
            await host.until("4 of 10 here")
            await host.pilot.press("end")
            table = host.app.query_one(MemberTable)
            assert table.selected is not None
            name = table.selected.name
            await host.session.kick(host.session.members[1].id)
            await host.until("3 of 10 here")
            assert table.selected.name == name
        await host.until("1 of 10 here")
        assert table.selected.name == "Sara"


async def test_latencies_are_shown_when_they_are_known() -> None:
    async with host_screen() as host, host.join("Ben"):
        await host.until("Ben joined")

        async def look() -> None:
            while " ms" not in host.text:
                host.app.leave_snapshot(host.view.snapshot())
                await host.pilot.pause(0.01)

        await asyncio.wait_for(look(), 20)
