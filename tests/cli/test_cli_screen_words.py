"""What is said: events as sentences, and nothing that a terminal would obey."""

import pytest

from loudsync.cli.words import MAX_SHOWN, describe, one_line, shown
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
    LeaveReason,
    MemberId,
    SessionId,
    SessionInfo,
)
from terminal_screens import member

SESSION = SessionId("abc")
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
