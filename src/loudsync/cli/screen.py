"""A party drawn for a terminal: pure functions from a snapshot to rich.

Every text is a ``Text``, never a string: rich reads markup in strings, and a
guest may be called ``[red]``.
"""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loudsync.cli.views import MAX_NEWS, News, Snapshot
from loudsync.cli.words import clock_time, shown
from loudsync.protocol import ConnectionStatus, MemberInfo

NEWS_SHARE: Final = 3
"""One line in so many stays for news when the members fill the screen."""

MAX_LATENCY_MS: Final = 99_999
"""More is no latency but nonsense, and would take the names' room."""

_STATUS_STYLES: Final = {
    ConnectionStatus.CONNECTED: "green",
    ConnectionStatus.RECONNECTING: "yellow",
    ConnectionStatus.DISCONNECTED: "dim",
}
_STATUS_WORDS: Final = {
    ConnectionStatus.CONNECTED: "connected",
    ConnectionStatus.RECONNECTING: "reconnecting…",
    ConnectionStatus.DISCONNECTED: "not here",
}


def draw(party: Snapshot, height: int) -> RenderableType:
    """Draw a party, in at most so many lines where that is possible.

    The members have what the last few events leave of the room.
    """
    heading = _heading(party)
    hint = "Ctrl-C leaves the party" if party.own_state else "Ctrl-C ends the party"
    # The table's heading, the hint, and three empty lines.
    room = max(height - len(heading) - 5, 2)
    spare = max(room - len(party.members), room // NEWS_SHARE)
    news_rows = min(len(party.news), MAX_NEWS, spare)
    return Group(
        *heading,
        Text(),
        *_members(party, room - news_rows),
        Text(),
        *[_news_line(news) for news in party.news[len(party.news) - news_rows :]],
        *([Text()] if news_rows else []),
        Text(hint, style="dim", no_wrap=True, overflow="ellipsis"),
    )


def _heading(party: Snapshot) -> list[Text]:
    seats = str(len(party.members))
    if party.max_members is not None:
        seats += f" of {party.max_members}"
    lines = [
        _line((shown(party.name), "bold")),
        _line(("Code     ", "dim"), (shown(party.code), "bold cyan")),
        _line(("Link     ", "dim"), (shown(party.link), "cyan")),
        _line(("Members  ", "dim"), (seats, "")),
    ]
    if party.own_state:
        own = party.own_state
        if party.own_latency_ms is not None:
            own += f", {_latency(party.own_latency_ms)}"
        style = "green" if party.own_state == "connected" else "yellow"
        lines.append(_line(("You      ", "dim"), (own, style)))
    return lines


def _members(party: Snapshot, rows: int) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    # Not no_wrap: rich takes missing room from columns that may wrap, and this
    # is the one that can give some.
    table.add_column("Member")
    table.add_column("", no_wrap=True, min_width=4)
    table.add_column("Status", no_wrap=True, min_width=9, overflow="ellipsis")
    table.add_column("Latency", no_wrap=True, min_width=7, justify="right")
    table.add_column("Since", no_wrap=True, min_width=5)
    # Where they don't fit, the last line says how many more there are.
    fits = len(party.members) <= rows
    listed = party.members[: rows if fits else max(rows - 1, 0)]
    for member in listed:
        table.add_row(
            _line((shown(member.name), "")),
            Text(_mark(member, party), style="dim"),
            Text(
                _STATUS_WORDS[member.connection_status],
                style=_STATUS_STYLES[member.connection_status],
            ),
            Text("" if member.latency_ms is None else _latency(member.latency_ms)),
            Text(clock_time(member.joined_at_ms)),
        )
    if fits:
        return [table]
    more = len(party.members) - len(listed)
    return [table, _line((f"… and {more} more", "dim"))]


def _mark(member: MemberInfo, party: Snapshot) -> str:
    """Say who this is; a column of its own, as a name could say it too."""
    if party.own_state and member.id == party.own_id:
        return "you"
    return "host" if member.is_host else ""


def _latency(latency_ms: float) -> str:
    return f"{latency_ms:.0f} ms" if 0 <= latency_ms <= MAX_LATENCY_MS else "?"


def _news_line(news: News) -> Text:
    return _line(
        (clock_time(news.at_ms, seconds=True), "dim"), ("  ", ""), (news.text, "")
    )


def _line(*parts: tuple[str, str]) -> Text:
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
