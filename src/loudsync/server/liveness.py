"""The heartbeat check: every 5 s, who has been silent too long?"""

from loudsync.core import NS_PER_S
from loudsync.server.clock import Timer
from loudsync.server.connection import Surroundings
from loudsync.server.logs import get_logger

log = get_logger("server")


class Liveness:
    """Sweeps out members without HEARTBEAT, connections without JOIN, old seats.

    One timer for all of them. A sweep that comes very late means that this
    process stood still, not that everybody else did: it is skipped, so that
    the heartbeats waiting in the sockets are read before anybody is judged.

    Source: protocol v1.0, "Timeout Behavior"; contract, sections 2 and 5.
    """

    def __init__(self, around: Surroundings) -> None:
        settings = around.settings
        self._around = around
        self._check_s = settings.heartbeat_check_s
        self._late_ns = int(2 * settings.heartbeat_check_s * NS_PER_S)
        self._timeout_ns = int(settings.heartbeat_timeout_s * NS_PER_S)
        self._join_timeout_ns = int(settings.join_timeout_s * NS_PER_S)
        self._swept_ns = around.clock.monotonic_ns()
        self._has_skipped = False
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._swept_ns = self._around.clock.monotonic_ns()
        self._timer = self._around.clock.call_later(self._check_s, self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        around = self._around
        now_ns = around.clock.monotonic_ns()
        stood_still = now_ns - self._swept_ns > self._late_ns
        self._swept_ns = now_ns
        self._timer = around.clock.call_later(self._check_s, self._sweep)
        # Once only: under lasting load every sweep is late, and still must come.
        self._has_skipped = stood_still and not self._has_skipped
        if self._has_skipped:
            log.warning("process_stood_still", waits_s=self._check_s)
            return
        for connection in around.members.pop_silent(now_ns - self._timeout_ns):
            connection.was_silent()
        for connection in around.newcomers.pop_silent(now_ns - self._join_timeout_ns):
            connection.was_silent()
        around.sessions.expire()
