"""Logs: structured events into the standard library's ``loudsync`` logger.

A library must not decide where an application's logs go, so events end in
``logging``; ``configure_logs`` is for programs that are LoudSync and nothing
else.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

LogFormat = Literal["console", "json"]

_LOGGINGS_OWN: Final = ("exc_info", "stack_info", "stacklevel")


class _EventLogger(logging.LoggerAdapter[logging.Logger]):
    """Takes an event's fields as keyword arguments."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        own = {name: kwargs.pop(name) for name in _LOGGINGS_OWN if name in kwargs}
        return msg, {**own, "extra": kwargs}


def get_logger(name: str) -> Any:  # an adapter's type knows of no fields
    """Return a logger for ``log.info("event_name", key=value)`` calls."""
    return _EventLogger(logging.getLogger(f"loudsync.{name}"))


def configure_logs(
    log_format: LogFormat, level: int = logging.INFO, *, node: str = ""
) -> None:
    """Print logs to standard error, for people or one JSON object a line.

    Args:
        node: Says on each line which of several servers wrote it.
    """
    # structlog brings rich with it, and programs with logs of their own need neither.
    from loudsync.server.log_lines import formatter

    handler = logging.StreamHandler(sys.stderr)
    colors = sys.stderr.isatty()
    handler.setFormatter(formatter(log_format, colors=colors, node=node))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # What it meets on each interface; what comes of it are events of ours.
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
