"""An operator, an account and a user of NATS, as `nsc` would make them.

What a node is given is the user's ``.creds`` file; a server is told of the rest.
"""

import base64
import hashlib
import os
import time
from typing import Any, Final, NamedTuple

import msgspec
import nkeys  # type: ignore[import-untyped]

_UNLIMITED: Final = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports"), -1),
    **dict.fromkeys(("conn", "leaf"), -1),
    "wildcards": True,
}
_JETSTREAM: Final = dict.fromkeys(
    ("mem_storage", "disk_storage", "streams", "consumer"), -1
)


class NatsAccounts(NamedTuple):
    """What one user needs to be let in.

    Attributes:
        server_options: Lines for the server's configuration.
        credentials: The ``.creds`` file's text.
    """

    server_options: str
    credentials: str


def nats_accounts(permissions: dict[str, Any]) -> NatsAccounts:
    """Make a user who may do this: ``pub`` and ``sub``, as user JWTs have them."""
    operator, system, account, user = map(_Key, "OAAU")
    of_operator = operator.signs(
        operator, {"type": "operator", "system_account": system.public}
    )
    of_system = operator.signs(system, {"type": "account", "limits": _UNLIMITED})
    of_account = operator.signs(
        account, {"type": "account", "limits": _UNLIMITED | _JETSTREAM}
    )
    of_user = account.signs(
        user, {"type": "user", "subs": -1, "data": -1, "payload": -1, **permissions}
    )
    return NatsAccounts(
        f"operator: {of_operator}\n"
        "resolver: MEMORY\n"
        "resolver_preload {\n"
        f"  {system.public}: {of_system}\n"
        f"  {account.public}: {of_account}\n"
        "}\n",
        f"-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n"
        "------END USER NKEY SEED------\n",
    )


class _Key:
    def __init__(self, kind: str) -> None:
        prefixes = {
            "O": nkeys.PREFIX_BYTE_OPERATOR,
            "A": nkeys.PREFIX_BYTE_ACCOUNT,
            "U": nkeys.PREFIX_BYTE_USER,
        }
        seed = nkeys.encode_seed(os.urandom(32), prefixes[kind])
        self.seed = bytes(seed).decode()
        self._pair = nkeys.from_seed(bytearray(seed))
        self.public = str(self._pair.public_key.decode())

    def signs(self, subject: "_Key", what: dict[str, Any]) -> str:
        """Return a JWT about another key, or about itself."""
        claims = {
            "iat": int(time.time()),
            "iss": self.public,
            "name": what["type"],
            "sub": subject.public,
            "nats": {**what, "version": 2},
        }
        digest = hashlib.sha256(msgspec.json.encode(claims)).digest()
        claims["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        signed = ".".join(_base64(msgspec.json.encode(it)) for it in (head, claims))
        return f"{signed}.{_base64(self._pair.sign(signed.encode()))}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
