"""What is asked before somebody has to go."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from loudsync.cli.views import Snapshot
from loudsync.cli.words import shown
from loudsync.protocol import MAX_REASON_LENGTH, MemberInfo


class KickDialog(ModalScreen[str | None]):
    """Asks whether and why a member has to go; the answer is the reason."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, member: MemberInfo) -> None:
        super().__init__(classes="dialog")
        self._member = member

    def compose(self) -> ComposeResult:
        """Make its parts."""
        with VerticalScroll(classes="box"):
            yield Static(
                Text(f"Kick {shown(self._member.name)}?"),
                classes="question",
            )
            yield Static(
                "Their device can't come back to this party.",
                classes="consequence",
            )
            yield Input(
                placeholder="Reason, if you want to give one",
                max_length=MAX_REASON_LENGTH,
                id="reason",
            )
            with Horizontal(classes="answers"):
                yield Button("Kick", variant="error", id="yes", compact=True)
                yield Button("Cancel", id="no", compact=True)

    def on_mount(self) -> None:
        """Let the reason be typed at once."""
        self.query_one(Input).focus()

    def show(self, party: Snapshot) -> None:
        """Close where there is nobody to be kicked any more."""
        if all(member.id != self._member.id for member in party.members):
            self.app.notify(f"{shown(self._member.name)} has left", markup=False)
            self.dismiss(None)

    def on_input_submitted(self) -> None:
        """Take Enter for yes."""
        self.dismiss(self._reason)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(self._reason if event.button.id == "yes" else None)

    @property
    def _reason(self) -> str:
        return self.query_one(Input).value.strip()


class CloseDialog(ModalScreen[bool]):
    """Asks whether the party is over; who only presses Enter goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(False)", show=False),
        Binding("y", "dismiss(True)", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, party: Snapshot) -> None:
        super().__init__(classes="dialog")
        self._party = party

    def compose(self) -> ComposeResult:
        """Make its parts."""
        with VerticalScroll(classes="box"):
            yield Static("End the party?", classes="question")
            yield Static(id="guests", classes="consequence", markup=False)
            with Horizontal(classes="answers"):
                yield Button("End it (y)", variant="error", id="yes", compact=True)
                yield Button("Go on (n)", id="no", compact=True)

    def on_mount(self) -> None:
        """Let Enter be harmless."""
        self.query_one("#no").focus()
        self.show(self._party)

    def show(self, party: Snapshot) -> None:
        """Say for how many it would be over."""
        self.query_one("#guests", Static).update(_consequence(len(party.members) - 1))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")


def _consequence(guests: int) -> str:
    match guests:
        case 0 | -1:
            return "Nobody else is here."
        case 1:
            return "It ends for your guest, too."
        case _:
            return f"It ends for your {guests} guests, too."
