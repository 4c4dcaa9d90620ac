"""Brings what edges ask to whoever decides, however often that changes."""

import asyncio
import contextlib
import time
from typing import Final

from loudsync.cluster.bus import Bus, NoResponder, Unreachable
from loudsync.cluster.claims import Claims
from loudsync.cluster.edge import Edge, EdgeSession
from loudsync.cluster.identity import Identity
from loudsync.cluster.kept import Unreadable
from loudsync.cluster.lease import Lease
from loudsync.cluster.numbers import Numbers
from loudsync.cluster.peers import Peers
from loudsync.cluster.wire import (
    Batch,
    EdgeOp,
    Outcome,
    decode_answer,
    encode,
    owner_subject,
)
from loudsync.core import NS_PER_S
from loudsync.server.logs import get_logger
from loudsync.server.runner import Runner
from loudsync.server.store import SessionLost

log = get_logger("cluster")

RETRY_S: Final = 0.02
"""An owner that has just changed is asked again after this."""

_AWAY_RETRY_S: Final = 0.1


class Courier:
    """Finds a session's owner and asks it until it answers."""

    def __init__(
        self,
        bus: Bus,
        me: Identity,
        runner: Runner,
        lease: Lease,
        peers: Peers,
        claims: Claims,
        edge: Edge,
        numbers: Numbers,
        request_timeout_s: float,
    ) -> None:
        self._bus = bus
        self._me = me
        self._runner = runner
        self._lease = lease
        self._peers = peers
        self._claims = claims
        self._edge = edge
        self._numbers = numbers
        self._request_timeout_s = request_timeout_s
        self._last_number = 0

    async def bring(self, session: EdgeSession, batch: list[EdgeOp]) -> bool:
        """Have an owner do a batch; return whether there is such a session.

        Returns once it is saved and said, after whatever number of owners.
        """
        self._last_number += 1
        number = self._last_number
        while True:
            batch = [op for op in batch if session.is_worth(op)]
            if not batch:
                return True
            await self._lease.until_sure()
            try:
                owner = await self._claims.owner_of(session.id, session.owner)
            except (Unreachable, Unreadable):
                await asyncio.sleep(
                    RETRY_S if self._bus.is_connected else _AWAY_RETRY_S
                )
                continue
            if owner is None:
                # What NATS doesn't have, its last owner may still: it says so itself.
                owner = session.last_owner
                if owner is None or owner not in self._peers:
                    return False
            session.owner = owner
            is_here = owner == self._me.number
            do = self._do_here if is_here else self._ask
            if await do(session, number, batch):
                return True
            await asyncio.sleep(RETRY_S)

    async def _do_here(
        self, session: EdgeSession, _number: int, batch: list[EdgeOp]
    ) -> bool:
        if not self._lease.is_sure:
            return False
        self._edge.apply_here(session, batch)
        try:
            await self._runner.saved(session.id)
        except SessionLost:
            return False
        return True

    async def _ask(
        self, session: EdgeSession, number: int, batch: list[EdgeOp]
    ) -> bool:
        owner = session.owner
        if owner is None:
            return False
        payload = encode(Batch(number, self._me.number, session.id, batch))
        started_ns = time.monotonic_ns()
        try:
            answer = await self._bus.request(
                owner_subject(owner), payload, self._request_timeout_s
            )
        except NoResponder:
            session.owner = None
            with contextlib.suppress(Unreachable):
                await self._peers.is_there(owner)
            return False
        except Unreachable:
            # It may be frozen, or just slow: its lease tells, and the batch's
            # number keeps it from being done twice.
            self._peers.check(owner)
            session.owner = None
            return False
        self._numbers.requests.add((time.monotonic_ns() - started_ns) / NS_PER_S)
        outcome = decode_answer(answer).outcome
        if outcome is Outcome.DONE:
            session.last_owner = owner
            return True
        if outcome is Outcome.NOT_MINE:
            session.owner = session.last_owner = None
        return False
