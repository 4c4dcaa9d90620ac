"""Bytes to frames, whole or in pieces (RFC 6455, section 5)."""

import pytest

from loudsync.server.frame_reader import (
    BINARY,
    CONTINUATION,
    FIN,
    PING,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Frame,
    FrameReader,
)

LIMIT = 70_000
MASK = b"\x37\xfa\x21\x3d"
WHOLE_TEXT = TEXT | FIN


def framed(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = bytes([0x80 | 126]) + size.to_bytes(2)
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8)
    masked = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return bytes([first]) + length + MASK + masked


def read(reader: FrameReader, *pieces: bytes) -> list[Frame]:
    return [frame for piece in pieces for frame in reader.frames(piece)]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 127, 65_535, 65_536, LIMIT])
def test_a_payload_of_any_size_is_read(size: int) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    payload = payload[:size]
    reader = FrameReader(LIMIT)
    assert read(reader, framed(WHOLE_TEXT, payload)) == [(WHOLE_TEXT, payload)]
    assert reader.fault is None
    assert reader.arrived is None


@pytest.mark.parametrize("cut", range(1, 12))
def test_frames_may_come_in_pieces(cut: int) -> None:
    stream = framed(TEXT, b"a" * 200) + framed(PING, b"") + framed(CONTINUATION, b"bc")
    pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
    frames = read(FrameReader(LIMIT), *pieces)
    assert frames == [(TEXT, b"a" * 200), (PING, b""), (CONTINUATION, b"bc")]


def test_what_of_an_unfinished_frame_arrived_is_told() -> None:
    reader = FrameReader(LIMIT)
    stream = framed(WHOLE_TEXT, b"hello")
    assert read(reader, stream[:8]) == []
    assert reader.arrived == (WHOLE_TEXT, b"he")
    assert read(reader, stream[8:9]) == []
    assert reader.arrived == (WHOLE_TEXT, b"l")
    assert read(reader, stream[9:]) == [(WHOLE_TEXT, b"hello")]
    assert reader.arrived is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1\x80", PROTOCOL_ERROR),  # a reserved bit
        (b"\x83\x80", PROTOCOL_ERROR),  # no such opcode
        (b"\x81\x01", PROTOCOL_ERROR),  # not masked
        (b"\x09\x80", PROTOCOL_ERROR),  # a ping in pieces
        (b"\x89\xfe", PROTOCOL_ERROR),  # a ping of more than 125 bytes
        (b"\x82\xfe\x00\x7d", PROTOCOL_ERROR),  # 125 would fit into one byte
        (b"\x82\xff" + (65_535).to_bytes(8), PROTOCOL_ERROR),
        (b"\x82\xff" + (LIMIT + 1).to_bytes(8), TOO_BIG),
        (b"\x82\xff" + b"\xff" * 8, TOO_BIG),
    ],
)
def test_a_fault_is_told_by_the_head_alone(data: bytes, code: int) -> None:
    whole, slow = FrameReader(LIMIT), FrameReader(LIMIT)
    before = framed(BINARY | FIN, b"fine")
    assert read(whole, before + data) == [(BINARY | FIN, b"fine")]
    assert read(slow, *(bytes([byte]) for byte in before + data))
    assert whole.fault is not None
    assert whole.fault.code == code
    assert slow.fault == whole.fault
