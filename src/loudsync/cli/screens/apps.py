"""The host's and the guest's screen."""

import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final, TextIO, cast

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.theme import Theme
from textual.widgets import Footer, Static

from loudsync.cli.held import HeldLines
from loudsync.cli.screens.bridge import Bridge, Mailbox
from loudsync.cli.screens.dialogs import CloseDialog, KickDialog
from loudsync.cli.screens.fitting import SHORT_ROWS, fit_rows
from loudsync.cli.screens.heading import Invitation, OwnState, TitleBar
from loudsync.cli.screens.members import MemberTable
from loudsync.cli.screens.qr_code import QrPane, QrScreen, size_of
from loudsync.cli.views import GuestView, HostView, News, Snapshot
from loudsync.cli.words import clock_time, shown
from loudsync.errors import LoudSyncError
from loudsync.protocol import MemberInfo

THEME: Final = Theme(
    name="loudsync",
    # The page's colours (web/static/style.css) in the dark.
    primary="#b1a2ff",
    accent="#b1a2ff",
    success="#6fd79f",
    warning="#f0b464",
    error="#ff9aa4",
    foreground="#f0eef6",
    background="#131218",
    surface="#1e1c26",
    panel="#2a2640",
    dark=True,
    variables={
        "quiet": "#aaa5b8",
        "line": "#35323f",
        "footer-background": "#1e1c26",
        "footer-key-foreground": "#b1a2ff",
        "footer-description-foreground": "#aaa5b8",
    },
)


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


class EventLog(VerticalScroll):
    """What happened, the newest last and in sight until somebody scrolls."""

    def __init__(self) -> None:
        super().__init__(id="log")
        self.border_title = "Events"
        self._news: tuple[News, ...] = ()

    def compose(self) -> ComposeResult:
        """Make its only part."""
        yield Static(id="news", markup=False)

    def show(self, news: tuple[News, ...]) -> None:
        """Show the last events, where there are others than before."""
        if news == self._news:
            return
        self._news = news
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(no_wrap=True, style="dim")
        lines.add_column(overflow="fold")
        for at_ms, text in news:
            lines.add_row(clock_time(at_ms, seconds=True), Text(text))
        is_at_end = self.is_vertical_scroll_end
        self.query_one("#news", Static).update(lines)
        if is_at_end:
            self.scroll_end(animate=False)


class SnapshotLeft(Message):
    """There is something new in the mailbox."""


class PartyApp(App[None]):
    """What both screens have.

    Args:
        bridge: To the party.
        errors: What is written to standard error meanwhile.
        interrupt: What Ctrl-C does: here it is a key, not a signal.
    """

    CSS_PATH = "screens.tcss"
    ENABLE_COMMAND_PALETTE = False
    VERTICAL_BREAKPOINTS = [(0, "-short"), (SHORT_ROWS, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy_link", "Copy link"),
        Binding("r", "show_qr", "QR"),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]

    def __init__(
        self,
        bridge: Bridge,
        errors: HeldLines | None = None,
        interrupt: Callable[[], None] = _interrupt,
    ) -> None:
        super().__init__()
        self.mailbox = Mailbox()
        self.party: Snapshot | None = None
        self._bridge = bridge
        self._errors = errors
        self._interrupt = interrupt
        self._is_interrupted = False
        self._is_shown = False
        self._is_over = False
        self.title = "LoudSync"
        self.register_theme(THEME)
        self.theme = THEME.name

    def compose(self) -> ComposeResult:
        """Make its parts."""
        yield TitleBar()
        yield Invitation()
        yield OwnState()
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield MemberTable()
                yield EventLog()
            yield QrPane()
        yield Footer()

    def on_mount(self) -> None:
        """Show what is there already."""
        if self._errors is not None:
            # Textual throws away what is written while it has the terminal.
            sys.stderr = cast("TextIO", self._errors)
        self.query_one(MemberTable).focus()
        self._take()
        self._is_shown = True
        if self._is_over:
            self.exit()

    def finish(self) -> None:
        """Give the terminal back, once it was taken: Textual can't do it before."""
        self._is_over = True
        if self._is_shown:
            self.exit()

    def leave_snapshot(self, party: Snapshot) -> None:
        """Give it what to show next; from any thread."""
        loop = self._loop
        if self.mailbox.put(party) and loop is not None:
            loop.call_soon_threadsafe(self.post_message, SnapshotLeft())

    def on_snapshot_left(self, _event: SnapshotLeft) -> None:
        """Show what was left in the mailbox."""
        self._take()

    def on_resize(self, event: Resize) -> None:
        """Fit it into the new size."""
        self._arrange(event.size)

    def action_copy_link(self) -> None:
        """Put the link on the clipboard; only the terminal knows whether it is."""
        if self.party is not None:
            self.copy_to_clipboard(self.party.link)
            self.tell("Link copied, if your terminal allows it")

    def action_show_qr(self) -> None:
        """Show the QR code on the whole screen."""
        if self.party is not None:
            self.push_screen(QrScreen(self.party.link))

    def action_interrupt(self) -> None:
        """Do what Ctrl-C does elsewhere; the second time it ends the process."""
        if self._is_interrupted:
            with self.suspend():  # the terminal is given back before
                self._interrupt()
        self._is_interrupted = True
        self._interrupt()

    def tell(self, text: str) -> None:
        """Show a notice for a moment."""
        self.notify(text, timeout=4, markup=False)

    def _take(self) -> None:
        party = self.mailbox.take()
        if party is None:
            return
        self.party = party
        main = self.screen_stack[0]
        main.query_one(TitleBar).show(party)
        main.query_one(Invitation).show(party)
        main.query_one(OwnState).show(party)
        main.query_one(MemberTable).show(party)
        main.query_one(EventLog).show(party.news)
        main.query_one(QrPane).show(party.link)
        self._arrange(self.size)
        if isinstance(self.screen, KickDialog | CloseDialog):
            self.screen.show(party)

    def _arrange(self, size: Size) -> None:
        """Give each part the room that there is for it."""
        if self.party is None:
            return
        main = self.screen_stack[0]
        pane, log = main.query_one(QrPane), main.query_one(EventLog)
        qr = None if pane.code is None else size_of(pane.code)
        rows = fit_rows(*size, len(self.party.members), qr)
        pane.display = rows.has_qr
        if qr is not None:
            pane.styles.width = qr[0]
        log.display = rows.log > 0
        log.styles.height = max(rows.log, 1)
        main.set_class(rows.is_airy, "-airy")
        main.query_one(OwnState).display = bool(self.party.own_state)


class HostApp(PartyApp):
    """The host's: who is here, and what only the host may."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "kick", "Kick"),
        Binding("q", "ask_close", "End party"),
        Binding("ctrl+q", "ask_close", show=False, priority=True),
    ]

    def __init__(
        self,
        view: HostView,
        bridge: Bridge,
        errors: HeldLines | None = None,
        interrupt: Callable[[], None] = _interrupt,
    ) -> None:
        super().__init__(bridge, errors, interrupt)
        self._view = view

    def action_kick(self) -> None:
        """Ask whether the selected member has to go."""
        member = self.query_one(MemberTable).selected
        if member is None:
            return
        if member.is_host:
            self.tell("This is you. Select a guest with ↑ ↓; q ends the party")
            return
        self.push_screen(KickDialog(member), partial(self._kick_answered, member))

    def action_ask_close(self) -> None:
        """Ask whether the party is over."""
        if self.party is not None and not isinstance(self.screen, CloseDialog):
            self.push_screen(CloseDialog(self.party), self._close_answered)

    def _kick_answered(self, member: MemberInfo, reason: str | None) -> None:
        if reason is not None:
            self.run_worker(self._kick(member, reason))

    def _close_answered(self, is_over: bool | None) -> None:
        if is_over:
            self.run_worker(self._close())

    async def _kick(self, member: MemberInfo, reason: str) -> None:
        try:
            await self._bridge.ask(lambda: self._view.kick(member.id, reason))
        except LoudSyncError as fault:
            self.tell(f"{shown(member.name)} was not kicked: {shown(str(fault))}")

    async def _close(self) -> None:
        try:
            await self._bridge.ask(self._view.close)
        except LoudSyncError as fault:
            self.tell(f"The party goes on: {shown(str(fault))}")


class GuestApp(PartyApp):
    """A guest's: who is here, and how it is connected itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", "Leave"),
        Binding("ctrl+q", "leave", show=False, priority=True),
    ]

    def __init__(
        self,
        view: GuestView,
        bridge: Bridge,
        errors: HeldLines | None = None,
        interrupt: Callable[[], None] = _interrupt,
    ) -> None:
        super().__init__(bridge, errors, interrupt)
        self._view = view

    def action_leave(self) -> None:
        """Leave without a question: who leaves can come back."""
        self.run_worker(self._leave())

    async def _leave(self) -> None:
        self.tell("Leaving…")
        try:
            await self._bridge.ask(self._view.leave)
        except LoudSyncError as fault:
            self.tell(shown(str(fault)))
