"""Fakes and faults that tests may use, ours and those of programs that embed LoudSync."""

from loudsync.testing.clock import ManualClock, ManualTimer
from loudsync.testing.echo import EchoServer
from loudsync.testing.fault_proxy import FaultProxy, ProxiedConnection, Way
from loudsync.testing.memory import MemoryServer, MemorySocket

__all__ = [
    "EchoServer",
    "FaultProxy",
    "ManualClock",
    "ManualTimer",
    "MemoryServer",
    "MemorySocket",
    "ProxiedConnection",
    "Way",
]
