"""What `discover` shows, in lines, in a table, and where there is nothing."""

import secrets
import signal
import socket
import sys

import pytest
from rich.console import Console

from cli_process import loudsync, party
from loudsync.cli.searches import PartyLines, draw_parties
from loudsync.cli.visits import VisitOptions
from loudsync.discovery import Party, PartyFound, PartyLost, PartyUpdated, SourceFailed
from loudsync.protocol import SessionId
from terminal import in_terminal

needs_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)

HERE = Party(
    key="abc-1",
    id=SessionId("abc"),
    name="Friday Party",
    host_name="Sara",
    member_count=3,
    max_members=10,
    url="http://192.168.1.5:8080",
    join_url="http://192.168.1.5:8080/?session=abc",
    version="1.0",
    is_reachable=True,
    round_trip_ms=1.26,
    age_s=725.0,
)


def changed(**fields: object) -> Party:
    values = {name: getattr(HERE, name) for name in HERE.__struct_fields__}
    return Party(**{**values, **fields})


def drawn(*parties: Party, late: bool = False, width: int = 100, **failed: str) -> str:
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(draw_parties(parties, failed, is_late=late))
    return capture.get()


# --- The table ---------------------------------------------------------------------


def test_a_row_says_all_there_is_to_know() -> None:
    heading, row, _, hint = drawn(HERE).splitlines()
    assert heading.split() == ["Party", "Host", "Code", "Here", "Open", "for", "Answer"]
    for part in ("Friday Party", "Sara", "abc", "3 of 10", "12 min", "in 1.3 ms"):
        assert part in row
    assert "loudsync join abc" in hint


@pytest.mark.parametrize(
    ("party", "text"),
    [
        (changed(is_reachable=None, round_trip_ms=None, age_s=None), "asking…"),
        (
            changed(is_reachable=False, problem="no route to host", silent_s=12.0),
            "none for 12 s: no route to host",
        ),
        (changed(is_reachable=False, problem="refused"), "none: refused"),
        (changed(version="2.0"), "speaks protocol 2.0"),
        (changed(version="1.7"), "in 1.3 ms"),
        (changed(max_members=0), " 3 "),
        (changed(age_s=3 * 86_400.0), "3 d"),
        (changed(age_s=1e12), "?"),
    ],
)
def test_what_a_party_is_like(party: Party, text: str) -> None:
    assert text in drawn(party, width=160)


def test_nothing_in_a_row_is_obeyed() -> None:
    shown = drawn(changed(name="[red]\x1b[2J", host_name="\u202eSara"), width=160)
    assert "[red]\\x1b[2J" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_narrow_terminal_still_has_the_code() -> None:
    text = drawn(
        changed(name="x" * 64, problem="y" * 200, is_reachable=False), width=60
    )
    assert "abc" in text
    assert max(map(len, text.splitlines())) <= 60


def test_nothing_is_found_and_why() -> None:
    assert "Looking for parties" in drawn()
    assert "doctor" not in drawn()
    assert "loudsync doctor" in drawn(late=True, width=200)
    assert "Can't look by mdns: no multicast" in drawn(mdns="no multicast")


# --- Lines -------------------------------------------------------------------------


def test_lines_tell_what_is_new_for_people() -> None:
    lines = PartyLines()
    assert lines.describe(PartyFound(party=changed(is_reachable=None))) is None
    told = lines.describe(PartyUpdated(party=HERE))
    assert told == (
        "Friday Party by Sara: 3 of 10 here, in 1.3 ms; loudsync join abc, "
        "or http://192.168.1.5:8080/?session=abc"
    )
    assert lines.describe(PartyUpdated(party=changed(round_trip_ms=2.0))) is None
    assert lines.describe(PartyUpdated(party=changed(member_count=4))) is not None
    assert lines.describe(PartyLost(party=HERE)) == "Friday Party (abc) is gone"
    failed = lines.describe(SourceFailed(source="mdns", reason="no multicast"))
    assert failed == "Can't look for parties by mdns: no multicast"


# --- What may be joined ------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "is_address", "is_code"),
    [
        ("k7m2xp", False, True),
        ("Friday Party", False, False),
        ("AC/DC", False, True),
        ("St. Patrick", False, False),
        ("St.Patrick", False, True),
        ("Party: the sequel", False, False),
        ("http://192.168.1.5:8080/?session=abc", True, False),
        ("wss://party.example.org", True, False),
        ("party.example.org/?session=abc", True, False),
        ("192.168.1.5", True, False),
        ("192.168.1.5:8080", True, False),
        ("laptop:8080", True, False),
        ("[fe80::1%eth0]:8080", True, False),
    ],
)
def test_an_address_a_code_or_a_name(
    target: str, is_address: bool, is_code: bool
) -> None:
    options = VisitOptions(
        target=target,
        session_id=None,
        name="Ann",
        token=None,
        server=None,
        interfaces=(),
        as_json=False,
    )
    assert (options.is_address, options.is_code) == (is_address, is_code)


# --- The command -------------------------------------------------------------------


@needs_signals
def test_lines_and_an_end_by_itself() -> None:
    code = f"t-{secrets.token_hex(6)}"
    with (
        party("--session-id", code, "--host-name", "Sara"),
        loudsync("discover") as search,
    ):
        line = search.line_with(code)
        assert "Test Party by Sara: 1 of 10 here, in " in line
        assert f"loudsync join {code}" in line
        search.send(signal.SIGINT)
        assert (search.wait(), search.errors) == (0, "")


@needs_signals
def test_a_table_in_a_terminal() -> None:
    code = f"t-{secrets.token_hex(3)}"
    with (
        party("--session-id", code, "--host-name", "Sara"),
        in_terminal("discover") as terminal,
    ):
        terminal.read_until(rf"Test Party +Sara .*{code}.*1 of 10.*in [0-9.]+ ms")
        terminal.popen.send_signal(signal.SIGINT)
        exit_code, _ = terminal.read_to_end()
        assert exit_code == 0


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server = f"127.0.0.1:{closed.getsockname()[1]}"
    with loudsync(
        "discover", "--timeout", "0.5", "--server", server, "--plain"
    ) as search:
        search.line_with(f"Can't look for parties by http://{server}: nothing listens")
        assert search.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--server", "ftp://x"), "The address"),
        (("--interface", "eth0"), "--interface"),
        (("--timeout", "0"), "--timeout"),
    ],
)
def test_wrong_usage_is_named(arguments: tuple[str, ...], named: str) -> None:
    with loudsync("discover", *arguments) as search:
        assert search.wait() == 2
        assert search.errors.startswith("loudsync: ")
        assert named in search.errors
        assert search.errors.count("\n") == 1
