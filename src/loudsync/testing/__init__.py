"""Fakes that tests may use, ours and those of programs that embed LoudSync."""

from loudsync.testing.clock import ManualClock, ManualTimer
from loudsync.testing.echo import EchoServer
from loudsync.testing.memory import MemoryServer, MemorySocket

__all__ = ["EchoServer", "ManualClock", "ManualTimer", "MemoryServer", "MemorySocket"]
