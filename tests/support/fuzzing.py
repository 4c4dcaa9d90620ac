"""How much is tried, and what may never happen while it is."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from hypothesis import HealthCheck, settings

FACTOR: Final = int(os.environ.get("LOUDSYNC_FUZZ_FACTOR", "0"))
"""How many times the short run's examples; 0 is the short run itself."""


def examples(number: int) -> settings:
    """Say how much the short run tries of one property; the long one tries more.

    The short run is part of the gate and always tries the same: a change that
    broke nothing must not fail by chance. The long run draws anew each time.
    """
    return settings(
        max_examples=number * max(1, FACTOR),
        derandomize=FACTOR == 0,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def no_fault_of_ours() -> Iterator[None]:
    """Let nothing inside reach the loop's exception handler or the error log."""
    loop = asyncio.get_running_loop()
    escaped: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: escaped.append(context))
    heard = _Records()
    logging.getLogger().addHandler(heard)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(heard)
        loop.set_exception_handler(before)
    assert escaped == []
    for record in heard.records:
        assert record.levelno < logging.ERROR, record.getMessage()
        assert record.exc_info is None, record.getMessage()


async def settle() -> None:
    """Let the loop do all that is ready; what waits for time or sockets waits on."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _ in range(10_000):
        await asyncio.sleep(0)
        if not ready:
            return
    raise AssertionError("the loop never comes to rest")
