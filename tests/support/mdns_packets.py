"""What anybody may send to the network: mDNS answers with any name in them."""

import ipaddress
import struct

TYPE = (b"_loudsync", b"_tcp", b"local")

_PTR, _TXT, _SRV, _A, _AAAA = 12, 16, 33, 1, 28
_IN, _UNIQUE = 1, 0x8001


def announcement(
    label: bytes,
    *,
    port: int = 9,
    txt: bytes = b"",
    ttl_s: int = 120,
    complete: bool = True,
    ipv6: tuple[str, ...] = (),
) -> bytes:
    """An answer that says that a party of this name is at 127.0.0.1, and where else."""
    name = _name(label, *TYPE)
    server = _name(b"hostile", b"local")
    records = [_record(_name(*TYPE), _PTR, _IN, ttl_s, name)]
    if complete:
        place = struct.pack(">HHH", 0, 0, port) + server
        records += [
            _record(name, _SRV, _UNIQUE, ttl_s, place),
            _record(name, _TXT, _UNIQUE, ttl_s, txt or b"\x00"),
            _record(server, _A, _UNIQUE, ttl_s, bytes([127, 0, 0, 1])),
        ]
    for address in ipv6:
        packed = ipaddress.IPv6Address(address).packed
        records.append(_record(server, _AAAA, _UNIQUE, ttl_s, packed))
    head = struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0)
    return head + b"".join(records)


def _name(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"


def _record(name: bytes, kind: int, group: int, ttl_s: int, data: bytes) -> bytes:
    return name + struct.pack(">HHIH", kind, group, ttl_s, len(data)) + data
