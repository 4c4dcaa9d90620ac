"""The QR code of the link: beside the members, and on the whole screen."""

from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Static

from loudsync.cli.words import shown
from loudsync.discovery.qr import qr_half_blocks

QUIET_ZONE: Final = 4
"""What the standard asks for."""

SMALL_QUIET_ZONE: Final = 2
"""What scanners are content with, where room is scarce."""

_STYLE: Final = "#ffffff on #000000"
"""Not the terminal's white, which is grey in some of them."""

_BACK: Final = ("\nr or Esc goes back", "dim")


def draw_qr(link: str, border: int = SMALL_QUIET_ZONE) -> Text | None:
    """Draw a link; ``None`` where it is too long for any QR code."""
    try:
        lines = qr_half_blocks(link, border)
    except ValueError:
        return None
    return Text("\n".join(lines), _STYLE, no_wrap=True)


def size_of(code: Text) -> tuple[int, int]:
    """Return how many columns and lines a drawn code takes."""
    lines = code.plain.split("\n")
    return len(lines[0]), len(lines)


class QrPane(Vertical):
    """The code beside the members."""

    def __init__(self) -> None:
        super().__init__(id="qr")
        self._link = ""
        self.code: Text | None = None

    def compose(self) -> ComposeResult:
        """Make its parts."""
        yield Static(id="qr-code", markup=False)
        yield Static("Scan to join", id="qr-caption", markup=False)

    def show(self, link: str) -> None:
        """Draw a link, where it is another than before."""
        if link != self._link:
            self._link, self.code = link, draw_qr(link)
            self.query_one("#qr-code", Static).update(self.code or "")


class QrScreen(ModalScreen[None]):
    """The code as large as a terminal can show it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,r,q,enter", "dismiss", "Back"),
    ]

    def __init__(self, link: str) -> None:
        super().__init__(id="qr-screen")
        self._link = link

    def compose(self) -> ComposeResult:
        """Make its parts."""
        with Center():
            yield Static(id="qr-full", markup=False)
        yield Static(id="qr-note", markup=False)

    def on_resize(self, event: Resize) -> None:
        """Draw it as it fits the new size."""
        width, height = event.size
        needed: tuple[int, int] | None = None
        note = Text(shown(self._link), overflow="fold", justify="center")
        for border in (QUIET_ZONE, SMALL_QUIET_ZONE):
            code = draw_qr(self._link, border)
            if code is None:
                break
            needed = size_of(code)
            if needed[0] <= width and needed[1] + 2 <= height:
                # An empty line between them, where there is one.
                space = "\n" if needed[1] + 3 <= height else ""
                self._show(code, Text.assemble(space, note, _BACK, justify="center"))
                return
        if needed is None:
            why = "This link is too long for a QR code."
        else:
            needs = f"{needed[0]} by {needed[1] + 2}"
            why = f"The QR code needs {needs} characters; here are {width} by {height}."
        self._show(None, Text.assemble(f"{why}\n", note, _BACK, justify="center"))

    def _show(self, code: Text | None, note: Text) -> None:
        picture = self.query_one("#qr-full", Static)
        picture.display = code is not None
        picture.update(code or "")
        self.query_one("#qr-note", Static).update(note)
