"""Commands that run in this process set up its logs, as programs may: undone here."""

import logging
from collections.abc import Iterator

import pytest

_SET_UP = ("", "zeroconf")
"""The loggers that commands change; the first is the root."""


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _SET_UP]
    before = [(it, it.handlers[:], it.level) for it in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
