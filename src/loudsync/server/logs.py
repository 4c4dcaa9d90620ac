"""Logs: structured events into the standard library's ``loudsync`` logger.

A library must not decide where an application's logs go, so events end in
``logging``; ``configure_logs`` is for programs that are LoudSync and nothing
else.
"""

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import Processor

LogFormat = Literal["console", "json"]

_shared: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def get_logger(name: str) -> Any:  # structlog's bound loggers are lazy
    """Return a logger for ``log.info("event_name", key=value)`` calls."""
    return structlog.wrap_logger(
        logging.getLogger(f"loudsync.{name}"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def configure_logs(log_format: LogFormat, level: int = logging.INFO) -> None:
    """Print logs to standard error, for people or one JSON object a line."""
    renderers: list[Processor]
    if log_format == "json":
        renderers = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderers = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # The default shows local variables, and tokens may be among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *_shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderers,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
