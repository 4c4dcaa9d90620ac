"""The table of who is here."""

from typing import ClassVar, Final

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from loudsync.cli.screens.fitting import (
    MARK_WIDTH,
    Columns,
    fit,
    fit_columns,
    latency_words,
    time_here,
    trace_bars,
)
from loudsync.cli.views import Snapshot
from loudsync.cli.words import shown
from loudsync.protocol import ConnectionStatus, MemberId, MemberInfo

STATUS_WORDS: Final = {
    ConnectionStatus.CONNECTED: "connected",
    ConnectionStatus.RECONNECTING: "reconnecting…",
    ConnectionStatus.DISCONNECTED: "not here",
}
SELECTED_MARK: Final = "\u203a"
"""A ›: what is selected is seen without colours."""  # noqa: RUF001

_HEADER_ROWS: Final = 1


class MemberTable(ScrollView, can_focus=True):
    """A line a member, drawn from the snapshot when it is in sight.

    So a thousand members cost what a screenful does. What is selected is a
    member, not a line: it stays when others come and go.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "members--header",
        "members--cursor",
        "members--name",
        "members--own",
        "members--connected",
        "members--reconnecting",
        "members--disconnected",
        "members--trace",
        "members--quiet",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="members")
        self._party: Snapshot | None = None
        self._at = 0
        self._selected_id: MemberId | None = None

    @property
    def selected(self) -> MemberInfo | None:
        """Who is selected; ``None`` where nobody is here."""
        members = self._members
        return members[self._at] if self._at < len(members) else None

    def show(self, party: Snapshot) -> None:
        """Show who is here now."""
        self._party = party
        members = party.members
        if not (self.selected and self.selected.id == self._selected_id):
            ids = [member.id for member in members]
            if self._selected_id in ids:
                self._at = ids.index(self._selected_id)
            else:
                self._at = max(min(self._at, len(members) - 1), 0)
        self._selected_id = None if self.selected is None else self.selected.id
        size = Size(0, len(members) + _HEADER_ROWS)
        if size != self.virtual_size:
            self.virtual_size = size
        self.refresh()

    def action_move(self, steps: int) -> None:
        """Select the member so many lines below."""
        self._select(self._at + steps)

    def action_move_page(self, pages: int) -> None:
        """Select the member a screenful below."""
        self._select(self._at + pages * max(self._page_rows, 1))

    def on_resize(self) -> None:
        """Keep who is selected in sight."""
        self._select(self._at)

    def on_click(self, event: Click) -> None:
        """Select the member who was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None and offset.y >= _HEADER_ROWS:
            at = offset.y - _HEADER_ROWS + self.scroll_offset.y
            if at < len(self._members):
                self._select(at)

    def render_line(self, y: int) -> Strip:
        """Draw the header, or the member who is there."""
        width = self.scrollable_content_region.width
        columns = fit_columns(width)
        style = self.rich_style
        if y < _HEADER_ROWS:
            line = self._header(columns)
        else:
            at = y - _HEADER_ROWS + self.scroll_offset.y
            if self._party is None or at >= len(self._members):
                return Strip.blank(width, style)
            if at == self._at:
                style += self.get_component_rich_style("members--cursor")
            line = self._line(self._party, self._members[at], columns, at == self._at)
        strip = Strip(line.render(self.app.console))
        return strip.adjust_cell_length(width).apply_style(style)

    @property
    def _members(self) -> tuple[MemberInfo, ...]:
        return () if self._party is None else self._party.members

    @property
    def _page_rows(self) -> int:
        return self.size.height - _HEADER_ROWS

    def _select(self, at: int) -> None:
        if not self._members:
            return
        self._at = max(min(at, len(self._members) - 1), 0)
        self._selected_id = self._members[self._at].id
        top = self.scroll_offset.y
        if self._at < top:
            self.scroll_to(y=self._at, animate=False)
        elif self._at >= top + self._page_rows:
            self.scroll_to(y=self._at - self._page_rows + 1, animate=False)
        self.refresh(Region(0, 0, *self.size))

    def _header(self, columns: Columns) -> Text:
        titles = [fit("Name", columns.name)]
        if columns.status:
            titles.append(fit("Status", columns.status))
        if columns.latency:
            titles.append("Latency".rjust(columns.latency))
        if columns.trace:
            titles.append(fit("Trace", columns.trace))
        if columns.here:
            titles.append(fit("Here", columns.here))
        text = " " * MARK_WIDTH + (" " * columns.gap).join(titles)
        line = Text(no_wrap=True, end="")
        return line.append(text, self._style("header"))

    def _line(
        self, party: Snapshot, member: MemberInfo, columns: Columns, is_selected: bool
    ) -> Text:
        status = member.connection_status
        is_connected = status is ConnectionStatus.CONNECTED
        gap = " " * columns.gap
        line = Text(no_wrap=True, end="")
        line.append(
            fit(SELECTED_MARK if is_selected else "", MARK_WIDTH), self._style("own")
        )
        self._add_name(line, party, member, columns.name)
        if columns.status:
            width = columns.status
            if columns.latency and not is_connected:
                width += columns.gap + columns.latency
            line.append(gap + fit(STATUS_WORDS[status], width), self._style(status))
        if columns.latency and is_connected:
            latency = latency_words(member.latency_ms).rjust(columns.latency)
            line.append(gap + latency, self._style("name"))
        if columns.trace:
            bars = trace_bars(party.traces.get(member.id, ()), columns.trace)
            line.append(gap + bars, self._style("trace"))
        if columns.here:
            here = fit(time_here(member.joined_at_ms, party.now_ms), columns.here)
            line.append(gap + here, self._style("quiet"))
        return line

    def _add_name(
        self, line: Text, party: Snapshot, member: MemberInfo, width: int
    ) -> None:
        """Add a name, and who that is where it matters and there is room."""
        note = ""
        if member.id == party.own_id:
            note = " (you)"
        elif member.is_host:
            note = " (host)"
        if len(note) + 4 > width:
            note = ""
        name = fit(shown(member.name), width - len(note)).rstrip()
        line.append(name, self._style("name"))
        rest = fit(note, width - Text(name).cell_len)
        line.append(rest, self._style("quiet"))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"members--{name}", partial=True)
