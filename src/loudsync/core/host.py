"""Who hosts: the token that proves it, and what is said when the host is gone."""

import hashlib
import hmac
from typing import Final

HOST_ENDED: Final = "Host ended the session"
HOST_LOST: Final = "Host connection lost"
HOST_NEVER_CAME: Final = "Host never came"
HOST_KICKED_YOU: Final = "Host removed you from the session"


def hash_token(token: str) -> bytes:
    """Return what is kept of a host token.

    A plain hash will do: the token is 128 random bits, not a password, so
    there is nothing to guess that a slower hash would protect.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def token_matches(token: str, token_hash: bytes | None) -> bool:
    """Tell in constant time whether ``token`` is the one that was hashed.

    A session without a hash has its host in the server's own process: no
    token is right.
    """
    given = hash_token(token)
    return hmac.compare_digest(given, token_hash or bytes(len(given))) and bool(token)
