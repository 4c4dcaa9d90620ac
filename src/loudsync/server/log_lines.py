"""How an event becomes a line, for people or for programs: structlog does it."""

import logging
from typing import Final, Literal

import structlog
from structlog.typing import Processor

_SHARED: Final[list[Processor]] = [
    structlog.stdlib.ExtraAdder(),
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def formatter(
    log_format: Literal["console", "json"], *, colors: bool
) -> logging.Formatter:
    """Make what writes lines.

    Args:
        colors: Whether lines for people may have some.
    """
    renderers: list[Processor]
    if log_format == "json":
        renderers = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderers = [
            structlog.dev.ConsoleRenderer(
                colors=colors,
                # The default shows local variables, and tokens may be among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *renderers,
        ],
    )
