"""The top of the screen: which party this is, how others get in, how one is."""

from rich.cells import cell_len
from rich.text import Text
from textual.events import Resize
from textual.widgets import Static

from loudsync.cli.screens.fitting import (
    SHORT_ROWS,
    fit,
    latency_words,
    spaced,
    trace_bars,
)
from loudsync.cli.views import TRACE_LENGTH, Snapshot
from loudsync.cli.words import shown
from loudsync.protocol import ConnectionState


class TitleBar(Static):
    """The party's name, and how many are here."""

    def __init__(self) -> None:
        super().__init__(id="title", markup=False)
        self._party: Snapshot | None = None

    def show(self, party: Snapshot) -> None:
        """Show the party as it is now."""
        self._party = party
        width = self.app.size.width - 2
        here = str(len(party.members))
        if party.max_members is not None:
            here += f" of {party.max_members}"
        here = f" {here} here"
        name = fit(shown(party.name), max(width - cell_len(here), 1))
        self.update(Text.assemble((name, "bold"), here, no_wrap=True))

    def on_resize(self, _event: Resize) -> None:
        """Fit it into the new width."""
        if self._party is not None:
            self.show(self._party)


class Invitation(Static):
    """The code, to be read out, and the link; on one line where they fit."""

    def __init__(self) -> None:
        super().__init__(id="invitation", markup=False)
        self._party: Snapshot | None = None

    def show(self, party: Snapshot) -> None:
        """Show how others get in."""
        self._party = party
        width, is_short = self.app.size.width - 2, self.app.size.height < SHORT_ROWS
        code, link = spaced(shown(party.code)), shown(party.link)
        line = Text("Code  ", self.get_component_rich_style("invitation--label"))
        line.append(code, self.get_component_rich_style("invitation--code"))
        if cell_len(line.plain) + 4 + cell_len(link) <= width:
            line.append("    ")
        elif is_short and cell_len(link) > width:
            link = ""
        else:
            line.append("\n")
        line.append(link, self.get_component_rich_style("invitation--link"))
        line.overflow = "fold"
        self.update(line)

    COMPONENT_CLASSES = {  # noqa: RUF012
        "invitation--label",
        "invitation--code",
        "invitation--link",
    }

    def on_resize(self, _event: Resize) -> None:
        """Fit it into the new width."""
        if self._party is not None:
            self.show(self._party)


class OwnState(Static):
    """A guest's own connection, in words, and its trace."""

    COMPONENT_CLASSES = {  # noqa: RUF012
        "own--label",
        "own--good",
        "own--wait",
        "own--trace",
    }

    def __init__(self) -> None:
        super().__init__(id="own", markup=False)

    def show(self, party: Snapshot) -> None:
        """Show how the guest is connected now."""
        words, style = party.own_state, "own--wait"
        if party.own_state == ConnectionState.CONNECTED:
            style = "own--good"
            if party.own_latency_ms is not None:
                words += f", {latency_words(party.own_latency_ms)}"
        line = Text("You   ", self.get_component_rich_style("own--label"))
        line.append(words, self.get_component_rich_style(style))
        bars = trace_bars(party.own_trace, TRACE_LENGTH).strip()
        line.append(f"  {bars}", self.get_component_rich_style("own--trace"))
        line.no_wrap, line.overflow = True, "ellipsis"
        self.update(line)
