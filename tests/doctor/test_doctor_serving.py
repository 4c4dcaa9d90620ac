"""What answers, parties, ways, and checks that break: the pure decisions."""

import asyncio
import ipaddress
from collections.abc import Callable

import pytest

from doctor_peers import the
from loudsync.doctor import Finding, Level
from loudsync.doctor.asking import Answer, Kind, recognise
from loudsync.doctor.finding import MAX_QUOTED, ok, quoted
from loudsync.doctor.reaching import (
    Attempt,
    Reached,
    Target,
    judge_name,
    judge_reach,
    own_networks,
)
from loudsync.doctor.running import Check, in_order
from loudsync.doctor.serving import (
    judge_kind,
    judge_mixed_content,
    judge_session,
    judge_stranger,
)
from loudsync.doctor.speaking import SLOW_MS, judge_no_socket, judge_round_trip

HEALTHY = Answer(200, b'{"status":"ok"}')
LISTING = Answer(200, b'{"sessions":[')

HOME = [ipaddress.ip_network("192.168.1.0/24"), ipaddress.ip_network("fe80::/64")]


def refusal(status: int, code: str) -> Answer:
    return Answer(status, b'{"error":{"code":"%s","message":"No"}}' % code.encode())


# --- What answers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("health", "listing", "kind"),
    [
        (HEALTHY, LISTING, Kind.LOUDSYNC),
        (HEALTHY, None, Kind.OTHER),
        (HEALTHY, Answer(404, b"{}"), Kind.OTHER),
        (HEALTHY, Answer(200, b"<html>"), Kind.OTHER),
        (Answer(200, b"ok"), LISTING, Kind.OTHER),
        (Answer(404), None, Kind.OTHER),
        (Answer(301), None, Kind.ELSEWHERE),
        (Answer(308), None, Kind.ELSEWHERE),
        (Answer(502), None, Kind.GATEWAY),
        (Answer(503, b"<html>"), None, Kind.GATEWAY),
        (refusal(503, "shutting_down"), None, Kind.SHUTTING_DOWN),
        (refusal(503, "too_many_connections"), None, Kind.FULL),
        (refusal(429, "too_many_connections"), None, Kind.CROWDED),
        (refusal(429, "slow_down"), None, Kind.OTHER),
    ],
)
def test_who_it_is(health: Answer, listing: Answer | None, kind: Kind) -> None:
    assert recognise(health, listing) is kind


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_finding(kind: Kind) -> None:
    found = the([judge_kind(kind, Answer(418))], "http")
    assert (found.level is Level.OK) == (kind is Kind.LOUDSYNC)


def test_what_others_say_is_cut() -> None:
    assert quoted("x" * MAX_QUOTED) == "x" * MAX_QUOTED
    assert len(quoted("x" * 100_000)) == MAX_QUOTED
    assert len(judge_stranger("x" * 100_000).text) < 200
    place = judge_kind(Kind.ELSEWHERE, Answer(301, location="http://" + "y" * 100_000))
    assert len(place.text) < 400


def test_a_page_to_sign_in_is_no_other_address() -> None:
    elsewhere = Answer(302, location="https://party.example.org/healthz")
    found = judge_kind(Kind.ELSEWHERE, elsewhere)
    assert "Use a link to https://party.example.org in" in found.advice
    found = judge_kind(Kind.ELSEWHERE, Answer(302, location="/login"))
    assert "Another program" in found.text


# --- The party -----------------------------------------------------------------


def session(taken: int, seats: int) -> Answer:
    body = b'{"id":"a","name":"P","memberCount":%d,"maxMembers":%d}' % (taken, seats)
    return Answer(200, body)


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (session(9, 10), Level.OK),
        (session(10, 10), Level.PROBLEM),
        (Answer(404), Level.PROBLEM),
        (Answer(429), Level.NOTE),
        (Answer(500), Level.NOTE),
        (Answer(200, b"[]"), Level.NOTE),
    ],
)
def test_the_party(answer: Answer, level: Level) -> None:
    assert the([judge_session("abc", answer)], "session").level is level


@pytest.mark.parametrize(
    ("ip", "is_secure", "level"),
    [
        ("192.168.1.5", False, None),
        ("fd00::5", False, None),
        ("127.0.0.1", False, None),
        ("8.8.8.8", False, Level.NOTE),
        ("2001:4860:4860::8888", False, Level.NOTE),
        ("8.8.8.8", True, Level.OK),
    ],
)
def test_mixed_content(ip: str, is_secure: bool, level: Level | None) -> None:
    findings = judge_mixed_content(ip, is_secure=is_secure)
    assert [f.level for f in findings] == ([] if level is None else [level])


@pytest.mark.parametrize(
    ("round_trip_ms", "level", "text"),
    [
        (0.2, Level.OK, "less than 1 ms"),
        (12.3, Level.OK, "12 ms"),
        (SLOW_MS, Level.OK, "300 ms"),
        (SLOW_MS + 1, Level.NOTE, "301 ms"),
    ],
)
def test_how_far_it_is(round_trip_ms: float, level: Level, text: str) -> None:
    found = the([judge_round_trip(round_trip_ms)], "websocket")
    assert found.level is level
    assert text in found.text


def test_why_there_is_no_websocket() -> None:
    full = judge_no_socket("the server is full or shutting down (HTTP 503)")
    assert "Upgrade" not in full.advice
    assert "Upgrade" in judge_no_socket("not a LoudSync server (HTTP 404)").advice


# --- The way -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ip", "reached", "text", "advice"),
    [
        ("192.168.1.9", Reached.REFUSED, "is there, but nothing listens", "Start the"),
        ("127.0.0.1", Reached.REFUSED, "of this machine", "loudsync host"),
        ("192.168.1.9", Reached.TIMED_OUT, "Nothing answers", "client isolation"),
        ("192.168.1.9", Reached.NO_ROUTE, "Nothing answers", "client isolation"),
        ("fe80::9%eth0", Reached.TIMED_OUT, "Nothing answers", "client isolation"),
        ("192.168.7.9", Reached.TIMED_OUT, "Nothing answers", "private network"),
        ("8.8.8.8", Reached.TIMED_OUT, "Nothing answers", "firewall or router"),
        ("8.8.8.8", Reached.NO_ROUTE, "There is no way", "Connect this machine"),
        ("8.8.8.8", Reached.FAILED, "some reason", "Check the link"),
    ],
)
def test_where_the_way_ends(ip: str, reached: Reached, text: str, advice: str) -> None:
    found = judge_reach(Target(ip, 8080), [Attempt(ip, reached, "some reason")], HOME)
    assert found.level is Level.PROBLEM
    assert text in found.text
    assert advice in found.advice


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_mac_may_not_be_allowed_to(platform: str) -> None:
    attempts = [Attempt("192.168.1.9", Reached.NO_ROUTE)]
    found = judge_reach(Target("192.168.1.9", 8080), attempts, HOME, platform)
    assert ("On this Mac" in found.advice) == (platform == "darwin")
    assert len(found.advice) <= 512  # it is shown whole


def test_one_way_is_enough() -> None:
    attempts = [
        Attempt("2001:db8::1", Reached.NO_ROUTE),
        Attempt("192.0.2.1", Reached.OPEN),
    ]
    found = judge_reach(Target("host.example", 80), attempts, HOME)
    assert found.level is Level.OK
    assert "192.0.2.1" in found.text


def test_a_link_without_a_port() -> None:
    attempts = [Attempt("192.168.1.9", Reached.REFUSED)]
    without = Target("192.168.1.9", 80, has_port=False)
    found = judge_reach(without, attempts, HOME)
    assert "as in http://192.168.1.9:8080" in found.advice
    found = judge_reach(without._replace(has_port=True), attempts, HOME)
    assert "as in" not in found.advice


@pytest.mark.parametrize(
    ("host", "ips", "expected"),
    [
        ("192.168.1.5", ["192.168.1.5"], {}),
        ("laptop.local", ["192.168.1.5"], {"name": Level.OK}),
        ("laptop.local", [], {"name": Level.PROBLEM}),
        ("localhost", ["::1", "127.0.0.1"], {"loopback": Level.NOTE}),
        ("127.0.0.1", ["127.0.0.1"], {"loopback": Level.NOTE}),
        (
            "laptop",
            ["127.0.1.1"],
            {"name": Level.OK, "loopback": Level.NOTE},
        ),
        ("laptop", ["127.0.1.1", "10.0.0.1"], {"name": Level.OK}),
    ],
)
def test_names(host: str, ips: list[str], expected: dict[str, Level]) -> None:
    findings = judge_name(Target(host, 80), ips, "unknown")
    assert {f.check: f.level for f in findings} == expected


def test_names_of_one_network() -> None:
    [local] = judge_name(Target("laptop.local", 80), [])
    assert ".local" in local.advice
    [other] = judge_name(Target("laptop.example", 80), [])
    assert ".local" not in other.advice


def test_this_machine_is_in_a_network_of_its_own() -> None:
    loopback = ipaddress.ip_address("127.0.0.1")
    assert any(loopback in network for network in own_networks())


# --- Running them --------------------------------------------------------------


async def findings_of(*checks: Check, timeout_s: float = 20) -> list[Finding]:
    return [found async for found in in_order(checks, timeout_s)]


def telling(name: str, wait_for: asyncio.Event | None = None) -> Check:
    async def find() -> list[Finding]:
        if wait_for is not None:
            await wait_for.wait()
        return [ok(name, "fine")]

    return Check(name, name, find)


async def test_checks_run_side_by_side_and_are_told_in_order() -> None:
    second_is_done = asyncio.Event()

    async def second() -> list[Finding]:
        second_is_done.set()
        return [ok("second", "fine")]

    first = telling("first", second_is_done)
    findings = await findings_of(first, Check("second", "second", second))
    assert [f.check for f in findings] == ["first", "second"]


def _break(fault: Exception) -> Callable[[], "asyncio.Future[list[Finding]]"]:
    def find() -> "asyncio.Future[list[Finding]]":
        raise fault

    return find


async def test_a_check_that_breaks_is_a_finding() -> None:
    broken = Check("clock", "The clock", _break(PermissionError(13, "not allowed")))
    findings = await findings_of(broken, telling("next"))
    assert [f.check for f in findings] == ["clock", "next"]
    assert findings[0].level is Level.NOTE
    assert "The clock could not be looked at: not allowed." in findings[0].text
    assert findings[0].advice


async def test_a_check_that_takes_too_long_is_a_finding() -> None:
    endless = telling("clock", asyncio.Event())
    [found] = await findings_of(endless, timeout_s=0.01)
    assert found.level is Level.NOTE
    assert "longer than 0.01 s" in found.text


async def test_a_bug_in_one_check_keeps_no_other_from_being_shown() -> None:
    found = await findings_of(
        Check("clock", "The clock", _break(KeyError("bug"))),
        Check("port", "The port", _break(OSError("gone"))),
    )
    assert [finding.level for finding in found] == [Level.NOTE] * 2
    assert "an error, KeyError" in found[0].text
