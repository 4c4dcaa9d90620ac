"""The asyncio client: join a session, follow it, keep the seat.

``join`` makes a ``Client``; everything else here is what it takes.
"""

from loudsync.address import Address, parse_address
from loudsync.client.client import Client
from loudsync.client.clock import Clock, SystemClock
from loudsync.client.joining import join
from loudsync.client.settings import ClientSettings

__all__ = [
    "Address",
    "Client",
    "ClientSettings",
    "Clock",
    "SystemClock",
    "join",
    "parse_address",
]
