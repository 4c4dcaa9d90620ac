"""A worker's side of ``serve --workers``: what tells it to end.

Standard input is a pipe that only the supervisor holds. The system closes it
when that ends, even where it is killed, so no worker outlives it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from loudsync.cli.problems import FAILED

WORKER_VARIABLE: Final = "LOUDSYNC_IS_WORKER"
"""Set for workers only: what they read from standard input are orders."""

CLOSE: Final = b"close\n"
"""The order to end, and every session with it: nobody will take it over."""


class Orders:
    """What the supervisor has said so far.

    Attributes:
        close_sessions: End the sessions, instead of leaving them to others.
    """

    def __init__(self) -> None:
        self.close_sessions = False


def is_worker() -> bool:
    """Whether a supervisor started this process."""
    return WORKER_VARIABLE in os.environ


@asynccontextmanager
async def orders_obeyed(stop: asyncio.Event) -> AsyncIterator[Orders]:
    """Set the event once the supervisor says so, or is gone.

    Gone while this process is ending already, it ends at once: the supervisor
    was asked for that. A process that is no worker gets no orders.
    """
    orders = Orders()
    if not is_worker():
        yield orders
        return
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    obeying = asyncio.create_task(_obey(reader, stop, orders))
    try:
        yield orders
    finally:
        obeying.cancel()
        transport.close()


async def _obey(
    reader: asyncio.StreamReader, stop: asyncio.Event, orders: Orders
) -> None:
    line = await reader.readline()
    if line or stop.is_set():
        orders.close_sessions = line == CLOSE
        stop.set()
        await reader.read()
        os._exit(FAILED)
    stop.set()
