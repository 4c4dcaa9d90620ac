"""What a server's HTTP answers say about joining; pure."""

from typing import Final

import msgspec

from loudsync.doctor.asking import Answer, Kind, decoded
from loudsync.doctor.finding import Finding, note, ok, problem, quoted
from loudsync.doctor.reaching import is_private

_HTTP: Final = "http"
_SESSION: Final = "session"
_MIXED: Final = "mixed-content"


class _Session(msgspec.Struct, rename="camel"):
    name: str
    member_count: int
    max_members: int


def judge_kind(kind: Kind, health: Answer) -> Finding:
    """Say whether what answers is LoudSync, and takes guests.

    Args:
        health: Its answer to ``GET /healthz``.
    """
    match kind:
        case Kind.LOUDSYNC:
            return ok(_HTTP, "A LoudSync server answers there.")
        case Kind.FULL:
            return problem(
                _HTTP,
                "The LoudSync server there has all the connections it can have.",
                "Try again later; who runs it can raise the limit on open files "
                "(loudsync doctor there tells how).",
            )
        case Kind.CROWDED:
            return problem(
                _HTTP,
                "The LoudSync server there takes no more connections from this "
                "address.",
                "Close some of them, or let who runs it raise "
                "--max-connections-per-address.",
            )
        case Kind.SHUTTING_DOWN:
            return problem(
                _HTTP,
                "The LoudSync server there is shutting down.",
                "Wait until it is back, or ask who runs it.",
            )
        case Kind.ELSEWHERE if "://" in health.location:
            place = quoted(health.location, 200).removesuffix("/healthz")
            return problem(
                _HTTP,
                f"What answers there sends everybody on to {place}; WebSocket "
                "doesn't follow.",
                f"Use a link to {place} in the first place. If you don't know that "
                "address, the Wi-Fi may want you to sign in first.",
            )
        case Kind.GATEWAY:
            return problem(
                _HTTP,
                "A proxy answers there, but the server behind it doesn't (HTTP "
                f"{health.status}).",
                "Start LoudSync on the server, and check which address and port the "
                "proxy passes guests on to.",
            )
        case _:
            return judge_stranger(f"HTTP {health.status}")


def judge_stranger(answer: str) -> Finding:
    """Say that something else than LoudSync has the port.

    Args:
        answer: What it said, in a few words.
    """
    return problem(
        _HTTP,
        f"Another program than LoudSync answers there ({quoted(answer)}).",
        "Check the address and the port in the link. In a Wi-Fi with a sign-in page, "
        "sign in first.",
    )


def judge_silence(timeout_s: float) -> Finding:
    """Say that what listens doesn't answer."""
    return problem(
        _HTTP,
        f"The port is open, but nothing answers within {timeout_s:g} s.",
        "The program there hangs, or is none that speaks http: start it again, and "
        "check the port in the link.",
    )


def judge_session(session_id: str, answer: Answer) -> Finding:
    """Say whether the party that a link names can be joined.

    Args:
        answer: The answer to ``GET /sessions/{id}``.
    """
    code = quoted(session_id, 64)
    if answer.status == 404:
        return problem(
            _SESSION,
            f'There is no party with the code "{code}" on this server.',
            "Check the code, and ask the host for a new link: the party may be over.",
        )
    if answer.status == 429:
        return note(
            _SESSION,
            "The server doesn't tell this network about parties now: too many wrong "
            "codes came from it.",
            "Wait a minute, then try again.",
        )
    session = decoded(answer.body, _Session)
    if answer.status != 200 or session is None:
        return note(
            _SESSION,
            f"The server doesn't tell about the party (HTTP {answer.status}).",
            "Try to join it; update loudsync there if that fails.",
        )
    name = quoted(session.name, 64)
    if session.member_count >= session.max_members:
        return problem(
            _SESSION,
            f'The party "{name}" is full: {session.member_count} of '
            f"{session.max_members} seats are taken.",
            "Wait until somebody leaves, or ask the host to start it with more "
            "--max-members.",
        )
    return ok(
        _SESSION,
        f'The party "{name}" is open: {session.member_count} of {session.max_members} '
        "seats are taken.",
    )


def judge_mixed_content(ip: str, *, is_secure: bool) -> list[Finding]:
    """Say whether pages of other sites can use the server.

    Args:
        ip: The server's address.
        is_secure: Whether the link is an https one.
    """
    if is_secure:
        return [ok(_MIXED, "Pages that came over https can use this server, too.")]
    if is_private(ip):
        return []
    return [
        note(
            _MIXED,
            "The link is plain http on the internet: others on the way can read "
            "along, and browsers keep pages that came over https from using it "
            "(mixed content).",
            "Serve it over https: --tls-cert and --tls-key, or a proxy with a "
            "certificate.",
        )
    ]
