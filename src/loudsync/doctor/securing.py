"""Whether a server's TLS is one that guests' devices accept."""

import asyncio
import ssl
import time
from enum import Enum, auto
from typing import Any, Final, NamedTuple, cast

from loudsync.doctor.clock import SKEW_WRONG_S, duration
from loudsync.doctor.finding import Finding, note, ok, problem, quoted

_CHECK: Final = "tls"

RENEW_S: Final = 14 * 86_400.0
"""When a certificate should have been renewed: certbot does it 30 days ahead."""


class TlsFault(Enum):
    """Why there is no trusted TLS connection."""

    EXPIRED = auto()
    NOT_YET_VALID = auto()
    SELF_SIGNED = auto()
    UNKNOWN_ISSUER = auto()
    WRONG_NAME = auto()
    UNTRUSTED = auto()
    """For another reason that the certificate gives."""
    NO_TLS = auto()
    """What answers speaks something else, or no version of TLS that we do."""
    SILENT = auto()


_VERIFY_CODES: Final = {
    9: TlsFault.NOT_YET_VALID,
    10: TlsFault.EXPIRED,
    18: TlsFault.SELF_SIGNED,
    19: TlsFault.SELF_SIGNED,
    20: TlsFault.UNKNOWN_ISSUER,
    21: TlsFault.UNKNOWN_ISSUER,
    62: TlsFault.WRONG_NAME,
    64: TlsFault.WRONG_NAME,
}
"""What OpenSSL calls X509_V_ERR_…"""


class TlsFacts(NamedTuple):
    """How a TLS handshake came out.

    Attributes:
        fault: What is wrong with it, if anything.
        reason: The library's words for that.
        expires_s: Until when the certificate holds, in Unix time; ``None``
            where it is not known.
    """

    fault: TlsFault | None = None
    reason: str = ""
    expires_s: float | None = None


async def shake_hands(
    host: str, port: int, *, timeout_s: float, is_trusting: bool = False
) -> TlsFacts:
    """Open a TLS connection and close it again.

    Args:
        host: Whom the certificate has to be for.
        timeout_s: How long it may take.
        is_trusting: Take any certificate: for looking, not for believing.
    """
    context = ssl.create_default_context()
    if is_trusting:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=host
            )
    except TimeoutError:
        return TlsFacts(TlsFault.SILENT)
    except ssl.SSLCertVerificationError as fault:
        return TlsFacts(fault_of(fault.verify_code), fault.verify_message)
    except (OSError, ValueError) as fault:
        return TlsFacts(TlsFault.NO_TLS, getattr(fault, "reason", None) or str(fault))
    certificate = cast("dict[str, Any]", writer.get_extra_info("peercert") or {})
    writer.transport.abort()
    not_after = certificate.get("notAfter")
    return TlsFacts(
        expires_s=ssl.cert_time_to_seconds(not_after) if not_after else None
    )


def fault_of(verify_code: int) -> TlsFault:
    """Return what OpenSSL found wrong with a certificate."""
    return _VERIFY_CODES.get(verify_code, TlsFault.UNTRUSTED)


def judge_tls(
    host: str,
    facts: TlsFacts,
    *,
    now_s: float | None = None,
    skew_s: float | None = None,
) -> Finding:
    """Say whether guests' devices accept a server's certificate.

    Args:
        host: What the link calls the server.
        now_s: Unix time; by default what the clock shows.
        skew_s: How far the server's clock is ahead of ours, where it says so.
    """
    host = quoted(host)
    match facts.fault:
        case None:
            return _judge_expiry(facts, time.time() if now_s is None else now_s)
        case TlsFault.EXPIRED | TlsFault.NOT_YET_VALID:
            return _judge_dates(facts.fault, skew_s)
        case TlsFault.SELF_SIGNED:
            return problem(
                _CHECK,
                "The server made its certificate itself, so guests' devices don't "
                "trust it.",
                "Get one that everybody trusts, such as Let's Encrypt's, or install "
                "this one on each guest's device (for loudsync: SSL_CERT_FILE).",
            )
        case TlsFault.UNKNOWN_ISSUER:
            return problem(
                _CHECK,
                "This machine doesn't know who issued the server's certificate.",
                "Start the server with the whole chain in --tls-cert (fullchain.pem), "
                "or install the issuer's certificate on each guest's device (for "
                "loudsync: SSL_CERT_FILE).",
            )
        case TlsFault.WRONG_NAME:
            return problem(
                _CHECK,
                f"The server's certificate is for another name than {host}.",
                "Use the name in the link that the certificate is for, or get a "
                f"certificate for {host}.",
            )
        case _:
            return problem(
                _CHECK,
                f"No secure connection to {host} can be made: {quoted(facts.reason)}.",
                "Check the server's --tls-cert and --tls-key; an antivirus or company "
                "proxy in between can be the cause, too.",
            )


def _judge_expiry(facts: TlsFacts, now_s: float) -> Finding:
    if facts.expires_s is None:
        return ok(_CHECK, "The server's certificate is trusted here.")
    left_s = facts.expires_s - now_s
    if left_s < RENEW_S:
        return note(
            _CHECK,
            f"The server's certificate is trusted, but only for {duration(left_s)} "
            "more; then no guest can join.",
            "Renew it on the server, then start loudsync there again.",
        )
    day = time.strftime("%Y-%m-%d", time.gmtime(facts.expires_s))
    return ok(_CHECK, f"The server's certificate is trusted here, until {day}.")


def _judge_dates(fault: TlsFault, skew_s: float | None) -> Finding:
    is_expired = fault is TlsFault.EXPIRED
    what = "has expired" if is_expired else "is not valid yet"
    if skew_s is not None and abs(skew_s) >= SKEW_WRONG_S:
        where = "behind" if skew_s > 0 else "ahead of"
        return problem(
            _CHECK,
            f"By this machine's clock the server's certificate {what}; but that clock "
            f"is {duration(abs(skew_s))} {where} the server's.",
            "Set the clock that is wrong; if it is the server's, renew its "
            "certificate as well.",
        )
    return problem(
        _CHECK,
        f"The server's certificate {what}, so guests' devices refuse it.",
        "Renew it on the server."
        if is_expired
        else "Check the server's date and time, and make the certificate anew.",
    )


def judge_plain_server(link: str) -> Finding:
    """Say that a server without TLS was asked for TLS.

    Args:
        link: The same link with http.
    """
    return problem(
        _CHECK,
        "The link begins with https, but the server there speaks plain http.",
        f"Use {quoted(link, 200)}, or start the server with --tls-cert and --tls-key.",
    )


def judge_secure_server(link: str) -> Finding:
    """Say that a server with TLS was asked without.

    Args:
        link: The same link with https.
    """
    return problem(
        _CHECK,
        "The link begins with http, but the server there speaks https only.",
        f"Use {quoted(link, 200)}",
    )
