"""Screens of a real party: a server and clients on loopback, in one loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from textual.pilot import Pilot

import loudsync
from loudsync import HostedSession, SessionServer
from loudsync.cli.screens.apps import GuestApp, HostApp, PartyApp
from loudsync.cli.screens.bridge import Bridge
from loudsync.cli.views import GuestView, HostView, View
from loudsync.client import Client
from loudsync.core.events import Event
from terminal_screens import lines_of

CODE = "k7m2xp"
MAX_LOOKS = 1_000


class HostScreen:
    """The host's screen, and its party.

    Attributes:
        interrupts: How often Ctrl-C was passed on.
    """

    def __init__(self, server: SessionServer, session: HostedSession) -> None:
        self.server = server
        self.session = session
        self.view = HostView(session)
        self.interrupts = 0
        bridge = Bridge(asyncio.get_running_loop())
        self.app = HostApp(self.view, bridge, None, self._interrupt)
        self.pilot: Pilot[None]

    def join(self, name: str) -> AbstractAsyncContextManager[Client]:
        """Let a guest come."""
        return loudsync.join(self.server.url, session_id=CODE, name=name)

    @property
    def text(self) -> str:
        """What it shows."""
        return "\n".join(lines_of(self.app))

    async def until(self, part: str) -> None:
        """Wait until it shows this."""
        await until(self.pilot, lambda: part in self.text)

    def _interrupt(self) -> None:
        self.interrupts += 1


@asynccontextmanager
async def host_screen(width: int = 80, height: int = 24) -> AsyncIterator[HostScreen]:
    async with SessionServer(host="127.0.0.1", port=0) as server:
        session = await server.create_session(
            "Friday Party", host_name="Sara", session_id=CODE
        )
        host = HostScreen(server, session)
        async with session.events() as events:
            follower = asyncio.create_task(follow(events, host.view, host.app))
            host.app.mailbox.put(host.view.snapshot())
            async with host.app.run_test(
                size=(width, height), notifications=True
            ) as host.pilot:
                yield host
            follower.cancel()


@asynccontextmanager
async def guest_screen(
    client: Client, url: str
) -> AsyncIterator[tuple[GuestApp, GuestView, Pilot[None]]]:
    """The screen of a client that has joined."""
    view = GuestView(client, f"{url}/?session={CODE}")
    app = GuestApp(view, Bridge(asyncio.get_running_loop()), None, lambda: None)
    app.mailbox.put(view.snapshot())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        yield app, view, pilot


async def follow(events: AsyncIterator[Event], view: View, app: PartyApp) -> None:
    """Keep a screen up to date, as the command does."""
    async for event in events:
        view.apply(event)
        app.leave_snapshot(view.snapshot())


async def until(pilot: Pilot[None], is_so: Callable[[], bool]) -> None:
    """Let the app and the party go on until something is so."""
    for _ in range(MAX_LOOKS):
        if is_so():
            return
        await pilot.pause(0.01)
    text = "\n".join(lines_of(pilot.app))  # type: ignore[arg-type]
    raise AssertionError(f"it never was so; the screen is:\n{text}")
