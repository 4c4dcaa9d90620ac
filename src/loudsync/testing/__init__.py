"""Fakes that tests may use, ours and those of programs that embed LoudSync."""

from loudsync.testing.clock import ManualClock, ManualTimer
from loudsync.testing.memory import MemoryServer, MemorySocket

__all__ = ["ManualClock", "ManualTimer", "MemoryServer", "MemorySocket"]
