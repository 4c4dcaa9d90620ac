"""The command line: arguments and wiring, no rules.

``app`` has the commands and ``options`` what they take; ``parties`` and
``visits`` run them on the loop that ``runtime`` makes; ``output`` shows what
happens, as ``words`` puts it, through ``printer``; ``screens`` show the
``views`` on a whole terminal, and ``held`` keeps logs off them; ``problems``
says what went wrong.
"""

import os
import sys
from collections.abc import Sequence

from loudsync.cli import printer
from loudsync.cli.app import app
from loudsync.cli.problems import explain


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code.

    0: ended as asked; 1: failed; 2: wrong usage. Whatever a user or a peer can
    cause is told in one line on standard error.

    Args:
        arguments: What follows the program's name; by default ``sys.argv``.

    Source: contract, section 8.
    """
    _prepare_streams()
    _forget_service_links()
    code = _run(arguments)
    if printer.is_stuck():
        # The interpreter would wait for the lock of a stream that nobody reads.
        os._exit(code)
    try:
        sys.stdout.flush()
    except OSError:
        printer.give_up_stdout()
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        return int(app(arguments, prog_name="loudsync", standalone_mode=False) or 0)
    except KeyboardInterrupt:
        return 0
    except Exception as fault:
        problem = explain(fault)
        if problem is None:
            raise
        if problem.text:
            print(f"loudsync: {problem.text}", file=sys.stderr)  # noqa: T201
        return problem.exit_code


def _prepare_streams() -> None:
    """Let every text be written, and the streams exist."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by who started us; the next socket must not take its place.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def _forget_service_links() -> None:
    """Drop what Kubernetes sets for a service that is called ``loudsync``.

    It is ``LOUDSYNC_PORT=tcp://10.0.0.1:8080`` and not meant for us.
    """
    if os.environ.get("LOUDSYNC_PORT", "").startswith(("tcp://", "udp://")):
        del os.environ["LOUDSYNC_PORT"]
