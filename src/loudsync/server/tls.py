"""TLS for the one port: wss and https where plain ones would be."""

import ssl
from pathlib import Path

from loudsync.errors import StartFailed


def load_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Read a certificate chain and its key, both PEM; TLS 1.2 or newer.

    Raises:
        StartFailed: A file is missing, unreadable or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path, what in ((certificate, "certificate"), (key, "key")):
        try:
            path.read_bytes()
        except OSError as fault:
            raise StartFailed(
                f"Can't read the TLS {what} {path}: {fault.strerror}; "
                "name a readable PEM file"
            ) from None
    try:
        # A pass phrase would be asked for on the terminal; a server has none.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as fault:
        why = getattr(fault, "reason", None) or "not a PEM file"
        raise StartFailed(
            f"The TLS certificate {certificate} and key {key} can't be used ({why}); "
            "give a PEM certificate chain and its unencrypted private key"
        ) from None
    return context
