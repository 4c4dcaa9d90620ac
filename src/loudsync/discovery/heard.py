"""What others have said over mDNS, as zeroconf remembers it.

Its own look-ups take the record that came into the cache last; where a party's
count went up and down again that is the wrong one of two. These take what was
said last.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from zeroconf import ServiceInfo, Zeroconf, current_time_millis

from loudsync.discovery.directory import Sighting
from loudsync.discovery.records import SERVICE_TYPE, UnusableRecord, from_txt

_A: Final = 1
_TXT: Final = 16
_AAAA: Final = 28
_SRV: Final = 33
_IN: Final = 1
"""Numbers of DNS (RFC 1035, 2782, 3596)."""


def sighting(zeroconf: Zeroconf, name: str) -> Sighting | None:
    """Return what a service is known to say; ``None`` where that isn't enough.

    Raises:
        UnusableRecord: What it says names no party.
    """
    places, texts = _live(zeroconf, name, _SRV), _live(zeroconf, name, _TXT)
    if not (places and texts):
        return None
    place = places[-1]
    addresses = tuple(_addresses(zeroconf, place.server))
    if not addresses:
        return None
    if not place.port:
        raise UnusableRecord("no port")
    # Not by its name, which may be anything.
    text = ServiceInfo(SERVICE_TYPE, SERVICE_TYPE, properties=texts[-1].text)
    record = from_txt(text.decoded_properties)
    return Sighting(name, record, addresses, place.port)


def servers(zeroconf: Zeroconf, name: str) -> set[str]:
    """Return the servers that announce a service: more than one is a clash."""
    return {str(place.server) for place in _live(zeroconf, name, _SRV)}


def _addresses(zeroconf: Zeroconf, server: str) -> Iterator[str]:
    for kind in (_A, _AAAA):
        for record in _live(zeroconf, server, kind):
            ip = ipaddress.ip_address(record.address)
            zone = getattr(record, "scope_id", None)
            if ip.version == 4 or not ip.is_link_local:
                yield str(ip)
            elif zone:
                yield f"{ip}%{zone}"
            # Heard over IPv4 it has no zone, and leads nowhere; it comes over IPv6, too.


def _live(zeroconf: Zeroconf, name: str, kind: int) -> list[Any]:
    """Return what is still good, in the order it was said last.

    Any: zeroconf doesn't export its classes of records.
    """
    now_ms = current_time_millis()
    said = zeroconf.cache.get_all_by_details(name, kind, _IN)
    live = (record for record in said if not record.is_expired(now_ms))
    return sorted(live, key=lambda record: record.created)
