"""What is drawn and said: nothing a terminal or rich would obey."""

import io

import pytest
from rich.console import Console

from loudsync.cli.screen import draw
from loudsync.cli.views import News, Snapshot
from loudsync.cli.words import MAX_SHOWN, clock_time, describe, one_line, shown
from loudsync.core.events import (
    Connected,
    ErrorReported,
    Event,
    EventsLost,
    Joined,
    LatencyMeasured,
    Left,
    Reconnecting,
    RemovedByHost,
    Returned,
    SessionEnded,
    StateChanged,
    Updated,
)
from loudsync.protocol import (
    ConnectionState,
    ConnectionStatus,
    LeaveReason,
    MemberId,
    MemberInfo,
    SessionId,
    SessionInfo,
)

SESSION = SessionId("abc")


def member(
    number: int,
    name: str = "",
    *,
    status: ConnectionStatus = ConnectionStatus.CONNECTED,
    latency_ms: int | None = 12,
    joined_at_ms: int = 1_700_000_000_000,
) -> MemberInfo:
    return MemberInfo(
        id=MemberId(f"m{number}"),
        name=name or f"Guest {number}",
        is_host=number == 0,
        connection_status=status,
        joined_at_ms=joined_at_ms,
        latency_ms=latency_ms,
    )


def snapshot(
    *members: MemberInfo,
    news: tuple[str, ...] = (),
    own_state: str = "",
    own_latency_ms: float | None = None,
    name: str = "Friday Party",
) -> Snapshot:
    return Snapshot(
        name=name,
        code="k7m2xp",
        link="http://192.168.1.5:8080/?session=k7m2xp",
        own_state=own_state,
        own_id=MemberId("m1"),
        own_latency_ms=own_latency_ms,
        max_members=10,
        members=members,
        news=tuple(News(1_700_000_000_000, text) for text in news),
    )


def drawn(party: Snapshot, width: int = 80, height: int = 24) -> list[str]:
    console = Console(
        record=True, width=width, height=height, file=io.StringIO(), color_system=None
    )
    console.print(draw(party, height))
    return [line.rstrip() for line in console.export_text().splitlines()]


def row(lines: list[str], name: str) -> list[str]:
    return next(line.split() for line in lines if line.startswith(name))


def test_a_host_sees_the_party_and_who_is_there() -> None:
    lines = drawn(
        snapshot(
            member(0, "Sara", latency_ms=None),
            member(1, "Ben", latency_ms=23),
            member(2, "Eve", status=ConnectionStatus.RECONNECTING),
            news=("Ben joined", "Eve lost the connection; the seat is kept"),
        )
    )

    assert lines[0] == "Friday Party"
    assert lines[1].split() == ["Code", "k7m2xp"]
    assert lines[2].split() == ["Link", "http://192.168.1.5:8080/?session=k7m2xp"]
    assert lines[3].split() == ["Members", "3", "of", "10"]
    since = clock_time(1_700_000_000_000)
    assert row(lines, "Sara") == ["Sara", "host", "connected", since]
    assert row(lines, "Ben") == ["Ben", "connected", "23", "ms", since]
    assert row(lines, "Eve") == ["Eve", "reconnecting…", "12", "ms", since]
    assert any(line.endswith("  Ben joined") for line in lines)
    assert lines[-1] == "Ctrl-C ends the party"


def test_a_guest_sees_itself_and_its_own_connection() -> None:
    lines = drawn(
        snapshot(member(0), member(1, "Ben"), own_state="reconnecting (2 of 3)")
    )
    assert "You      reconnecting (2 of 3)" in lines
    assert row(lines, "Ben")[1] == "you"
    assert lines[-1] == "Ctrl-C leaves the party"

    lines = drawn(snapshot(member(1), own_state="connected", own_latency_ms=7.4))
    assert "You      connected, 7 ms" in lines


def test_markup_and_escapes_in_names_are_shown_as_text() -> None:
    lines = drawn(
        snapshot(
            member(1, "[red]x[/red]"),
            member(2, "a\x1b[31mb\u202ec\n"),
            member(3, ":smile: [link=http://x]y[/link]"),
            name="[bold]Party[/bold]\x07",
            news=("[blink]z[/blink] joined",),
        )
    )
    text = "\n".join(lines)

    assert lines[0] == r"[bold]Party[/bold]\x07"
    assert row(lines, "[red]x[/red]")[0] == "[red]x[/red]"
    assert r"a\x1b[31mb\u202ec\n" in text
    assert ":smile: [link=http://x]y[/link]" in text
    assert "[blink]z[/blink] joined" in text


@pytest.mark.parametrize("height", [10, 14, 24, 50])
@pytest.mark.parametrize("width", [40, 80])
def test_it_fits_the_screen_however_many_there_are(width: int, height: int) -> None:
    crowd = [member(n, f"{'Long name ' * 6}{n}") for n in range(300)]
    lines = drawn(
        snapshot(*crowd, news=tuple(f"Guest {n} joined {'x' * 90}" for n in range(8))),
        width,
        height,
    )

    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    assert any("more" in line for line in lines)
    assert any("Guest 7 joined" in line for line in lines) or height == 10
    if width == 80:
        assert any(line.endswith(clock_time(1_700_000_000_000)) for line in lines)


def test_numbers_of_a_lying_server_do_not_break_it() -> None:
    lines = drawn(
        snapshot(
            member(1, "Ben", latency_ms=-5, joined_at_ms=2**62),
            member(2, "Eve", latency_ms=10**15, joined_at_ms=-(2**62)),
        )
    )
    assert row(lines, "Ben") == ["Ben", "connected", "?", "?"]
    assert row(lines, "Eve") == ["Eve", "connected", "?", "?"]


BEN = member(1, "Ben")


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (Joined(session_id=SESSION, member=BEN), "Ben joined"),
        (Returned(session_id=SESSION, member=BEN), "Ben is back"),
        (
            Reconnecting(session_id=SESSION, member=BEN),
            "Ben lost the connection; the seat is kept",
        ),
        (Updated(session_id=SESSION, member=BEN), None),
        (Left(session_id=SESSION, member=BEN), "Ben left"),
        (
            Left(session_id=SESSION, member=BEN, reason=LeaveReason.KICKED),
            "Ben was removed",
        ),
        (
            Left(session_id=SESSION, member=BEN, reason=LeaveReason.TIMEOUT),
            "Ben timed out",
        ),
        (SessionEnded(session_id=SESSION), "The party is over"),
        (
            SessionEnded(session_id=SESSION, reason="Late\x1b[2J"),
            r"The party is over: Late\x1b[2J",
        ),
        (EventsLost(count=3), "3 events are missing here: too much happened at once"),
        (
            Connected(
                session_id=SESSION,
                client_id=BEN.id,
                session=SessionInfo(id=SESSION, name="Friday", host_id=MemberId("h")),
                members=(BEN,),
            ),
            "You are in Friday; members: 1",
        ),
        (RemovedByHost(session_id=SESSION, reason="Bye"), "You were removed: Bye"),
        (
            StateChanged(
                state=ConnectionState.RECONNECTING,
                attempt=2,
                max_attempts=3,
                reason="the connection broke",
            ),
            "No connection: the connection broke; reconnecting, attempt 2 of 3",
        ),
        (
            StateChanged(state=ConnectionState.FAILED, reason="no route"),
            "Reconnecting failed: no route",
        ),
        (StateChanged(state=ConnectionState.CONNECTED), None),
        (
            ErrorReported(code="unauthorized", message="No"),
            "The server refused a request: No",
        ),
        (LatencyMeasured(latency_ms=1.5), None),
    ],
)
def test_every_event_is_a_sentence_or_only_a_number(
    event: Event, sentence: str | None
) -> None:
    assert describe(event) == sentence


@pytest.mark.parametrize(
    "text", ["Zoë", "派对", "👨‍👩‍👧", "سارا", "می‌خواهم", "a\u00a0b"]
)
def test_peoples_names_are_shown_as_they_are(text: str) -> None:
    assert shown(text) == text


def test_what_a_terminal_obeys_is_escaped() -> None:
    assert shown("\x00\x07\x7f\x9b\u2028\u2066\ud800") == (
        r"\x00\x07\x7f\x9b\u2028\u2066\ud800"
    )
    assert len(shown("x" * 10_000)) == MAX_SHOWN
    assert one_line("a\n  b\tc") == "a b c"
