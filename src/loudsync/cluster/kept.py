"""A session as all nodes keep it: whose it is and how it stands, in one value.

Both change together or not at all: that is what makes a takeover safe.
"""

import zlib
from typing import Final

import msgspec

from loudsync.core import SessionRecord
from loudsync.errors import LoudSyncError

_PLAIN: Final = b"\x01"
_PACKED: Final = b"\x02"
"""The first byte tells how the rest is written; a later version adds its own."""

_WORTH_PACKING: Final = 32 * 1024
"""Large sessions are mostly field names; a small one costs more time than it saves."""


class Unreadable(LoudSyncError):
    """What is under a session's id is no session."""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The value under a session's id.

    Attributes:
        owner: The id of the node that decides about it, or ``NOBODY``; a node's
            id is never used again.
        epoch: Grows with each change of the owner: edges don't listen to earlier
            ones. Not the key's revision, which begins anew on a new disk.
    """

    owner: str
    record: SessionRecord
    epoch: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def encode_kept(kept: Kept) -> bytes:
    """Return the value to keep."""
    plain = _encode(kept)
    if len(plain) < _WORTH_PACKING:
        return _PLAIN + plain
    return _PACKED + zlib.compress(plain, 1)


def decode_kept(value: bytes) -> Kept:
    """Read a value.

    Raises:
        Unreadable: It is no value of ours, or a later version's.
    """
    try:
        match value[:1]:
            case b"\x01":
                return _decode(value[1:])
            case b"\x02":
                return _decode(zlib.decompress(value[1:]))
    except (msgspec.MsgspecError, ValueError, zlib.error) as fault:
        raise Unreadable(str(fault)) from None
    raise Unreadable("written by another version of LoudSync")
