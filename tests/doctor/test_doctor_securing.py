"""Certificates: what guests' devices refuse, and why."""

import ssl
import sys
from pathlib import Path

import pytest

import loudsync
from loudsync.address import parse_address
from loudsync.doctor import Level
from loudsync.doctor.securing import (
    RENEW_S,
    TlsFacts,
    TlsFault,
    fault_of,
    judge_tls,
    shake_hands,
)
from loudsync.server.tls import load_tls

DATA = Path(__file__).parent / "data"
KEY = DATA / "localhost-key.pem"
GOOD = Path(__file__).parent.parent / "cli" / "data" / "localhost.pem"
GOOD_KEY = GOOD.with_name("localhost-key.pem")

NOW_S = 1_800_000_000.0


async def handshake(
    certificate: Path, key: Path = KEY, *, asked: str = "127.0.0.1"
) -> TlsFacts:
    tls = load_tls(certificate, key)
    async with loudsync.host("Party", host="127.0.0.1", port=0, tls=tls) as party:
        place = parse_address(party.join_url).base_url
        port = int(place.rpartition(":")[2])
        return await shake_hands(asked, port, timeout_s=20)


async def test_a_trusted_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(GOOD))
    facts = await handshake(GOOD, GOOD_KEY)
    assert facts.fault is None
    assert facts.expires_s == ssl.cert_time_to_seconds("Oct 30 06:01:45 2126 GMT")


@pytest.mark.parametrize(
    ("name", "fault"),
    [("expired", TlsFault.EXPIRED), ("future", TlsFault.NOT_YET_VALID)],
)
async def test_a_certificate_at_the_wrong_time(
    name: str, fault: TlsFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = DATA / f"{name}.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert (await handshake(certificate)).fault is fault


async def test_a_certificate_of_its_own() -> None:
    assert (await handshake(GOOD, GOOD_KEY)).fault is TlsFault.SELF_SIGNED


async def test_a_certificate_without_its_chain() -> None:
    assert (await handshake(DATA / "orphan.pem")).fault is TlsFault.UNKNOWN_ISSUER


async def test_a_certificate_for_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    tls = load_tls(GOOD, GOOD_KEY)
    monkeypatch.setenv("SSL_CERT_FILE", str(GOOD))
    if sys.platform != "linux":
        pytest.skip("only there has loopback more than one address")
    async with loudsync.host("Party", host="127.0.0.2", port=0, tls=tls) as party:
        port = int(parse_address(party.join_url).base_url.rpartition(":")[2])
        facts = await shake_hands("127.0.0.2", port, timeout_s=20)
    assert facts.fault is TlsFault.WRONG_NAME


async def test_a_server_without_tls() -> None:
    hasty = loudsync.ServerSettings(head_timeout_s=0.1)
    async with loudsync.host(
        "Party", host="127.0.0.1", port=0, settings=hasty
    ) as party:
        port = int(parse_address(party.join_url).base_url.rpartition(":")[2])
        facts = await shake_hands("127.0.0.1", port, timeout_s=20)
    assert facts.fault is TlsFault.NO_TLS


def test_a_fault_that_is_not_known_is_one_nevertheless() -> None:
    assert fault_of(23) is TlsFault.UNTRUSTED


@pytest.mark.parametrize("fault", TlsFault)
def test_every_fault_keeps_guests_away_and_has_its_advice(fault: TlsFault) -> None:
    found = judge_tls("party.example.org", TlsFacts(fault, "some reason"))
    assert found.level is Level.PROBLEM
    assert found.advice


@pytest.mark.parametrize(
    ("left_s", "level"),
    [
        (RENEW_S + 1, Level.OK),
        (RENEW_S, Level.OK),
        (RENEW_S - 1, Level.NOTE),
        (60, Level.NOTE),
    ],
)
def test_a_certificate_that_soon_expires(left_s: float, level: Level) -> None:
    facts = TlsFacts(expires_s=NOW_S + left_s)
    assert judge_tls("host", facts, now_s=NOW_S).level is level


def test_a_certificate_whose_end_is_not_known() -> None:
    assert judge_tls("host", TlsFacts()).level is Level.OK


@pytest.mark.parametrize("fault", [TlsFault.EXPIRED, TlsFault.NOT_YET_VALID])
def test_the_clock_may_be_to_blame(fault: TlsFault) -> None:
    renew = judge_tls("host", TlsFacts(fault), skew_s=299)
    assert "clock is" not in renew.text
    behind = judge_tls("host", TlsFacts(fault), skew_s=86_400 * 30)
    assert "30 days behind the server's" in behind.text
    assert "Set the clock" in behind.advice
    ahead = judge_tls("host", TlsFacts(fault), skew_s=-7_200)
    assert "2 hours ahead of the server's" in ahead.text
