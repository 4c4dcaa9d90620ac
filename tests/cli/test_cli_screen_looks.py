"""What the screens look like, with made-up parties: hostile, crowded, colourless."""

from typing import cast

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from loudsync.cli.screens.apps import PartyApp
from loudsync.cli.screens.members import MemberTable
from loudsync.cli.views import News
from loudsync.protocol import ConnectionStatus, MemberId
from qr_lines import scan_lines
from screen_party import until
from terminal_screens import (
    FOUR,
    LINK,
    SCREENS,
    guest_snapshot,
    lines_of,
    member,
    shown,
    snapshot,
    take_svgs,
)


async def until_shown(pilot: Pilot[None], *parts: str) -> None:
    """Wait until one of these is on the screen."""

    def is_shown() -> bool:
        text = "\n".join(lines_of(cast("PartyApp", pilot.app)))
        return any(part in text for part in parts)

    await until(pilot, is_shown)


def row(lines: list[str], name: str) -> str:
    return next(line for line in lines if name in line)


async def test_what_is_known_of_each_member_is_in_its_row() -> None:
    async with shown(snapshot(*FOUR), 120, 36) as (app, pilot):
        await pilot.press("down")
        lines = lines_of(app)
    assert row(lines, "Sara").split()[:5] == ["Sara", "(you)", "connected", "25", "min"]
    ben = row(lines, "Ben").split()
    assert ben[1:5] == ["Ben", "connected", "12", "ms"]
    assert ben[6:8] == ["21", "min"]
    assert "▁▁▁▁" in ben[5]
    assert row(lines, "Åsa").split()[1:3] == ["reconnecting…", "now"]


async def test_what_is_selected_is_seen_without_colours() -> None:
    async with shown(snapshot(*FOUR)) as (app, pilot):
        await pilot.press("down", "down")
        marked = [line for line in lines_of(app) if "\u203a" in line]
        assert [line.split()[1] for line in marked] == ["Zoë"]
        await pilot.click(MemberTable, offset=(5, 2))
        marked = [line for line in lines_of(app) if "\u203a" in line]
        assert [line.split()[1] for line in marked] == ["Ben"]


async def test_the_code_is_scanned_without_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with shown(snapshot(*FOUR)) as (app, pilot):
        assert app.no_color
        await until(pilot, lambda: scan_lines(lines_of(app)) == LINK)
        await pilot.press("r")
        await until_shown(pilot, "goes back")
        await until(pilot, lambda: scan_lines(lines_of(app)) == LINK)


async def test_wide_characters_leave_the_columns_where_they_are() -> None:
    names = (
        "Ben",
        "派对派对派对派对派对",
        "👩\u200d👩\u200d👧 Family",
        "Zoë",
        "e\u0301" * 30,
    )
    crowd = [member(at, name) for at, name in enumerate(names, 1)]
    async with shown(snapshot(*crowd), 70, 20) as (app, _):
        rows = [line for line in lines_of(app) if "connected" in line]
    assert len(rows) == len(names)
    assert len({cell_len(line[: line.index("connected")]) for line in rows}) == 1


async def test_markup_and_escapes_are_shown_as_text() -> None:
    evil = "a\x1b[31mb\u202ec\n"
    crowd = (
        member(1, "[red]x[/red]"),
        member(2, evil),
        member(3, "[@click=app.quit]y[/]"),
    )
    party = snapshot(
        *crowd,
        name=f"[bold]Party[/bold]{evil}",
        code="[b]",
        news=(News(1_700_000_000_000, "[blink]z[/blink] joined"),),
    )
    async with shown(party, 120, 36) as (app, pilot):
        await pilot.press("down", "k")
        dialog = "\n".join(lines_of(app))
        await pilot.press("escape")
        text = "\n".join(lines_of(app))
    assert r"Kick a\x1b[31mb\u202ec\n?" in dialog
    assert r"[bold]Party[/bold]a\x1b[31mb\u202ec\n" in text
    assert "[red]x[/red]" in text
    assert r"a\x1b[31mb\u202ec\n" in text
    assert "[@click=app.quit]y[/]" in text
    assert "[blink]z[/blink] joined" in text
    assert not set(text) & {"\x1b", "\u202e"}


async def test_notices_have_no_markup() -> None:
    async with shown(snapshot(*FOUR)) as (app, pilot):
        app.tell("[red]x[/red]")
        await until_shown(pilot, "[red]x[/red]")


async def test_a_thousand_members_can_be_walked_through() -> None:
    crowd = tuple(member(at) for at in range(1_000))
    async with shown(snapshot(*crowd, max_members=1_000)) as (app, pilot):
        table = app.query_one(MemberTable)
        await pilot.press("end")
        await until_shown(pilot, "Guest 999")
        await pilot.press("pageup", "up")
        chosen = table.selected
        assert chosen is not None
        # Half of them go, from before and after; who is selected stays so.
        left = tuple(m for at, m in enumerate(crowd) if at % 2 or m is chosen)
        app.leave_snapshot(snapshot(*left))
        await until_shown(pilot, f"{len(left)} of 10 here")
        await until_shown(pilot, f"\u203a {chosen.name}")
        assert table.selected is chosen
        app.leave_snapshot(snapshot(*crowd[:2]))
        await until_shown(pilot, "2 of 10 here")
        await pilot.press("home")
        assert table.selected is crowd[0]
        app.leave_snapshot(snapshot())
        await until_shown(pilot, "0 of 10 here")
        await pilot.press("up", "down", "end", "k")
        assert table.selected is None


async def test_numbers_of_a_lying_server_do_not_break_it() -> None:
    liars = (
        member(1, "Ben", latency_ms=-5, minutes=-(10**12)),
        member(2, "Eve", latency_ms=10**15, minutes=10**12),
        member(3, "Ann", status=ConnectionStatus.DISCONNECTED),
    )
    party = snapshot(
        *liars,
        traces={MemberId("m1"): (-1, 10**15, float("nan"))},
        news=(News(1e18, "News"),),
    )
    async with shown(party) as (app, _):
        lines = lines_of(app)
    assert row(lines, "Ben").split()[1:5] == ["Ben", "connected", "?", "?"]
    assert row(lines, "Eve").split()[1:3] == ["connected", "?"]
    assert row(lines, "Ann").split()[1:3] == ["not", "here"]


@pytest.mark.parametrize("length", [40, 200, 4_000])
async def test_a_link_too_long_for_the_code_is_a_plain_sentence(length: int) -> None:
    link = f"https://{'x' * length}"
    async with shown(snapshot(*FOUR, link=link)) as (app, pilot):
        assert app.query_one("#members").region.width > 0
        await pilot.press("r")
        await until_shown(pilot, "goes back")
        lines = lines_of(app)
        if length == 40:
            assert scan_lines(lines) == link
        elif length == 200:
            assert "The QR code needs 57 by 31 characters; here are 80 by 24." in (
                "\n".join(lines)
            )
        else:
            assert "This link is too long for a QR code." in "\n".join(lines)


async def test_a_guest_reads_its_own_state() -> None:
    for state, words in (
        ("connected", "You   connected, 12 ms  ▁▁"),
        ("reconnecting, attempt 2 of 3", "You   reconnecting, attempt 2 of 3  ▁▁"),
        ("failed", "You   failed"),
    ):
        async with shown(guest_snapshot(own_state=state)) as (app, _):
            assert words in "\n".join(lines_of(app))


async def test_events_can_be_scrolled_and_follow_the_last() -> None:
    news = tuple(News(1_700_000_000_000, f"News {at}") for at in range(200))
    async with shown(snapshot(*FOUR, news=news[:190])) as (app, pilot):
        await until_shown(pilot, "News 189")
        app.leave_snapshot(snapshot(*FOUR, news=news))
        await until_shown(pilot, "News 199")
        app.query_one("#log").scroll_home(animate=False)
        await until_shown(pilot, "News 0")
        app.leave_snapshot(snapshot(*FOUR, news=news[1:], name="Later"))
        await until_shown(pilot, "Later")
        await until_shown(pilot, "News 1\n", "News 1 ")
        assert "News 199" not in "\n".join(lines_of(app)), "who reads is left alone"


async def test_every_screen_can_be_drawn() -> None:
    names = [name async for name, svg in take_svgs() if svg.startswith("<svg")]
    assert names == list(SCREENS)
