"""How an event becomes a line, for people or for programs: structlog does it."""

import logging
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor

_SHARED: Final[list[Processor]] = [
    structlog.stdlib.ExtraAdder(),
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _escape(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Let nothing that others said be obeyed by a terminal."""
    return {key: _escaped(value) for key, value in event.items()}


def _escaped(value: object) -> object:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in value
    )


def formatter(
    log_format: Literal["console", "json"], *, colors: bool, node: str = ""
) -> logging.Formatter:
    """Make what writes lines.

    Args:
        colors: Whether lines for people may have some.
        node: What each line has as ``node``; empty: none has it.
    """

    def add_node(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {**event, "node": node}

    renderers: list[Processor]
    if log_format == "json":
        renderers = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderers = [
            structlog.processors.format_exc_info,
            _escape,
            structlog.dev.ConsoleRenderer(
                colors=colors,
                # The default shows local variables, and tokens may be among them.
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, add_node] if node else _SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *renderers,
        ],
    )
