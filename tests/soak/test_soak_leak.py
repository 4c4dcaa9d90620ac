"""What is kept for too long is found out: the soak's own test."""

import asyncio
from pathlib import Path

from loudsync.core import Session
from loudsync.server import MemoryStore
from soak.plan import Plan
from soak.trial import run


class HoardingStore(MemoryStore):
    """Keeps what it should let go: sessions that ended, a byte for each change."""

    def __init__(self) -> None:
        self.ended: list[Session] = []
        self.changes: list[bytearray] = []

    def save(self, session: Session) -> None:
        super().save(session)
        self.changes.append(bytearray(1))
        if session.ended:
            self.ended.append(session)


def test_what_is_kept_for_too_long_is_found_out() -> None:
    def make_store(_folder: Path) -> MemoryStore:
        return HoardingStore()

    plan = Plan(
        seed=0,
        members=300,
        seconds=5.0,
        act_interval_s=1.0,
        ramp_s=1.0,
        real_clients=2,
    )
    outcome = run(asyncio.new_event_loop, plan, stores=[make_store], settle_s=5.0)
    found = "\n".join(outcome.wrong)
    assert "objects: loudsync.core.session.Session" in found
    assert outcome.blocks_kept > outcome.blocks_allowed
    # On the other loop, and nothing else is wrong there.
    others = [w for w in outcome.wrong if not w.startswith(("objects:", "memory:"))]
    assert others == []
