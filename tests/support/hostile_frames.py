"""Strategies for what a WebSocket client may send, and for what it may not."""

import struct
from typing import NamedTuple

from hypothesis import strategies as st

from raw_peer import BINARY, CLOSE, PING, PONG, TEXT
from rfc6455 import CONTINUATION, unmasked

Bytes = st.SearchStrategy[bytes]


class WireFrame(NamedTuple):
    """A frame with everything about it open to question.

    Attributes:
        width: Bytes that tell the length: 0, 2 or 8; -1: as few as will do.
        claims: The length it claims to have, where it isn't the true one.
    """

    opcode: int
    payload: bytes
    fin: bool = True
    reserved: int = 0
    mask: bytes | None = b"\x01\x02\x03\x04"
    width: int = -1
    claims: int | None = None

    def as_bytes(self) -> bytes:
        size = len(self.payload) if self.claims is None else self.claims
        width = self.width
        if width < 0:
            width = 0 if size < 126 else 2 if size < 1 << 16 else 8
        short = {0: size & 0x7F, 2: 126, 8: 127}[width]
        head = bytes(
            (
                self.fin << 7 | self.reserved << 4 | self.opcode,
                short | (0 if self.mask is None else 0x80),
            )
        )
        long = (size % (1 << 8 * width)).to_bytes(width, "big") if width else b""
        if self.mask is None:
            return head + long + self.payload
        return head + long + self.mask + unmasked(self.payload, self.mask)


MASKS = st.binary(min_size=4, max_size=4)
OPCODES = st.integers(0, 15)
LENGTHS = st.sampled_from(
    [
        0,
        1,
        125,
        126,
        127,
        299,
        300,
        301,
        65535,
        65536,
        1 << 31,
        1 << 32,
        (1 << 62) - 1,
        (1 << 63) - 1,
        1 << 63,
        (1 << 64) - 1,
    ]
)
BAD_UTF_8 = st.sampled_from(
    [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"]
)
CLOSE_CODES = st.integers(0, 0xFFFF) | st.sampled_from(
    [
        0,
        999,
        1000,
        1001,
        1003,
        1004,
        1005,
        1006,
        1007,
        1011,
        1014,
        1015,
        1016,
        2999,
        3000,
        4999,
        5000,
        65535,
    ]
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60).map(str.encode)
REPEATED = st.builds(
    lambda unit, size: (unit * size)[:size],
    st.sampled_from([b"x", "é".encode(), "🎉".encode(), b"\x00", b"\xff"]),
    st.sampled_from([1, 4, 124, 125, 126, 127, 128, 252, 296, 299, 300, 301]),
)
PAYLOADS: Bytes = TEXTS | REPEATED | st.binary(max_size=40)
BAD_TEXTS = st.builds(lambda a, b, c: a + b + c, TEXTS, BAD_UTF_8, TEXTS)


@st.composite
def good_messages(draw: st.DrawFn, payloads: Bytes = PAYLOADS | BAD_TEXTS) -> bytes:
    """Draw a message in any number of fragments, control frames between them."""
    payload = draw(payloads)
    kind = draw(st.sampled_from([TEXT, TEXT, BINARY]))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    starts, ends = [0, *cuts], [*cuts, len(payload)]
    out = b""
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if number:
            out += draw(st.just(b"") | good_control())
        opcode = CONTINUATION if number else kind
        is_last = number == len(cuts)
        out += WireFrame(
            opcode, payload[start:end], fin=is_last, mask=draw(MASKS)
        ).as_bytes()
    return out


def good_control() -> Bytes:
    return st.builds(
        lambda opcode, payload, mask: WireFrame(opcode, payload, mask=mask).as_bytes(),
        st.sampled_from([PING, PONG]),
        st.binary(max_size=8) | st.just(b"x" * 125),
        MASKS,
    )


def closes() -> Bytes:
    """Close frames, mostly odd ones."""
    bodies = st.one_of(
        st.just(b""),
        st.binary(min_size=1, max_size=1),
        st.builds(
            lambda code, reason: struct.pack("!H", code) + reason[:123],
            CLOSE_CODES,
            TEXTS | BAD_TEXTS | st.just(b"x" * 123),
        ),
    )
    return bodies.map(lambda body: WireFrame(CLOSE, body).as_bytes())


def odd_frames() -> Bytes:
    """Frames with a thing or two wrong, and some with nothing wrong."""
    return st.builds(
        WireFrame,
        opcode=OPCODES,
        payload=PAYLOADS | BAD_TEXTS,
        fin=st.booleans(),
        reserved=st.sampled_from([0, 0, 0, 1, 2, 4, 7]),
        mask=st.just(b"\x09\x08\x07\x06") | st.none() | MASKS,
        width=st.sampled_from([-1, -1, 0, 2, 8]),
        claims=st.none() | LENGTHS,
    ).map(WireFrame.as_bytes)


def order_faults() -> Bytes:
    """Data frames in any order: continuations of nothing, texts in texts."""
    return st.builds(
        lambda opcode, payload, fin: WireFrame(opcode, payload, fin=fin).as_bytes(),
        st.sampled_from([CONTINUATION, TEXT, BINARY]),
        TEXTS,
        st.booleans(),
    )


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Draw all that a client sends: good for a while, then anything, then cut."""
    good = good_messages(TEXTS | REPEATED) | good_control()
    anything = st.one_of(
        good_messages(), odd_frames(), order_faults(), closes(), st.binary(max_size=20)
    )
    data = b"".join(draw(st.lists(good, max_size=4)))
    data += b"".join(draw(st.lists(anything, max_size=4)))
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    return data


PIECES = st.lists(st.integers(1, 300), max_size=4) | st.just([1])
"""Sizes of pieces, for ``in_pieces``."""
