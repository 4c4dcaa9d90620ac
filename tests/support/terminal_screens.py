"""Every screen of the terminal, in a party that is made up: for tests, pictures.

The walk yields each screen's name while the app shows it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from textual.pilot import Pilot

from loudsync.cli.screens.apps import GuestApp, HostApp, PartyApp
from loudsync.cli.screens.bridge import Bridge
from loudsync.cli.views import GuestView, HostView, News, Snapshot, Trace
from loudsync.protocol import ConnectionStatus, MemberId, MemberInfo

LINK = "http://192.168.1.5:8080/?session=k7m2xp"
NOW_MS = 1_700_000_000_000

STEADY: Trace = (8, 9, 12, 11, 9, 14, 12, 12)
SHAKY: Trace = (*(30, 34, 28, 90, 140, 210, None, None), 60, 40, 36, 120, 180, 90, 48)


def member(
    number: int,
    name: str = "",
    *,
    status: ConnectionStatus = ConnectionStatus.CONNECTED,
    latency_ms: int | None = 12,
    minutes: float = 3,
) -> MemberInfo:
    return MemberInfo(
        id=MemberId(f"m{number}"),
        name=name or f"Guest {number}",
        is_host=number == 0,
        connection_status=status,
        joined_at_ms=int(NOW_MS - minutes * 60_000),
        latency_ms=None if number == 0 else latency_ms,
    )


FOUR = (
    member(0, "Sara", minutes=25),
    member(1, "Ben", latency_ms=12, minutes=21),
    member(2, "Zoë", latency_ms=48, minutes=3),
    member(3, "Åsa", status=ConnectionStatus.RECONNECTING, minutes=0.2),
)


def snapshot(*members: MemberInfo, **fields: Any) -> Snapshot:
    """A party as it is shown to its host; fields replace what is made up."""
    party = Snapshot(
        name="Friday Party",
        code="k7m2xp",
        link=LINK,
        own_state="",
        own_id=MemberId("m0"),
        own_latency_ms=None,
        own_trace=(),
        max_members=10,
        members=members,
        traces={MemberId("m1"): STEADY * 2, MemberId("m2"): SHAKY},
        news=tuple(
            News(time.time() * 1000 - 60_000 + at * 9_000, text)
            for at, text in enumerate(
                (
                    "Ben joined",
                    "Zoë joined",
                    "Åsa joined",
                    "Åsa lost the connection; the seat is kept",
                )
            )
        ),
        now_ms=NOW_MS,
    )
    return party._replace(**fields)


def guest_snapshot(**fields: Any) -> Snapshot:
    own = {
        "own_id": MemberId("m1"),
        "own_state": "connected",
        "own_latency_ms": 12.0,
        "own_trace": STEADY * 2,
        "max_members": None,
    }
    return snapshot(*FOUR, **{**own, **fields})


@asynccontextmanager
async def shown(
    party: Snapshot, width: int = 80, height: int = 24
) -> AsyncIterator[tuple[PartyApp, Pilot[None]]]:
    """Show a made-up party: nothing that is asked of it arrives anywhere."""
    bridge = Bridge(asyncio.get_running_loop())
    app: PartyApp
    if party.own_state:
        app = GuestApp(cast("GuestView", None), bridge)
    else:
        app = HostApp(cast("HostView", None), bridge)
    app.mailbox.put(party)
    async with app.run_test(size=(width, height), notifications=True) as pilot:
        await pilot.pause()
        yield app, pilot


SCREENS: dict[str, tuple[Snapshot, tuple[int, int], tuple[str, ...]]] = {
    "host": (snapshot(*FOUR), (80, 24), ("down",)),
    "host-wide": (snapshot(*FOUR), (120, 36), ("down",)),
    "host-crowd": (
        snapshot(*(member(n, minutes=n) for n in range(300)), max_members=500),
        (100, 30),
        ("pagedown",),
    ),
    "host-narrow": (snapshot(*FOUR), (60, 20), ("down",)),
    "host-tiny": (snapshot(*FOUR), (40, 10), ("down",)),
    "kick": (snapshot(*FOUR), (80, 24), ("down", "k", *"Too loud")),
    "kick-tiny": (snapshot(*FOUR), (40, 10), ("down", "k")),
    "qr": (snapshot(*FOUR), (80, 24), ("r",)),
    "qr-too-small": (snapshot(*FOUR), (60, 16), ("r",)),
    "close": (snapshot(*FOUR), (80, 24), ("q",)),
    "notice": (snapshot(*FOUR), (80, 24), ("c",)),
    "guest": (guest_snapshot(), (80, 24), ()),
    "guest-reconnecting": (
        guest_snapshot(
            own_state="reconnecting, attempt 2 of 3",
            own_latency_ms=None,
            own_trace=(*STEADY, *SHAKY[:6], None, None),
        ),
        (80, 24),
        (),
    ),
    "guest-narrow": (guest_snapshot(), (60, 20), ()),
}


async def take_svgs() -> AsyncIterator[tuple[str, str]]:
    """Go through every screen; yield its name and its picture as SVG."""
    for name, (party, size, keys) in SCREENS.items():
        async with shown(party, *size) as (app, pilot):
            await pilot.press(*("space" if key == " " else key for key in keys))
            await pilot.pause()
            yield name, app.export_screenshot()


def lines_of(app: PartyApp) -> list[str]:
    """What the app shows, line by line."""
    strips = app.screen._compositor.render_strips()
    return [strip.text.rstrip() for strip in strips]
