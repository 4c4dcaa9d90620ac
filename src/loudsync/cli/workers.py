"""``serve --workers``: a supervisor, and servers that share one port.

The supervisor serves nobody. It keeps the port, starts the workers and, where no
NATS is named, a nats-server for them; it starts again what crashes, passes signals
on, and takes everything with it when it ends:

- workers see the end of a pipe (``worker``), which the system closes whatever ends
  the supervisor;
- nats-server knows of no such pipe; the system sends it a signal
  (``_systems.ended_with_parent``).
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import msgspec

from loudsync._systems import HANGUP, share_port
from loudsync.cli.output import Listening, Output, printed_output
from loudsync.cli.parties import ServerOptions, check_tls_files
from loudsync.cli.problems import FAILED
from loudsync.cli.runtime import first_of
from loudsync.cli.tls_reload import done_on_hangup
from loudsync.cli.worker import CLOSE, WORKER_VARIABLE
from loudsync.cluster.nats_server import NatsServer
from loudsync.cluster.settings import clean_node_name
from loudsync.errors import StartFailed
from loudsync.server.listener import bind, why_not_listening
from loudsync.server.logs import configure_logs, get_logger

log = get_logger("workers")

_FIRST_DELAY_S: Final = 0.25
_LONGEST_DELAY_S: Final = 5.0
"""Between starts of what ends again and again: a fault that lasts must not take the
whole processor, nor one that is mended be waited for."""

_STEADY_S: Final = 30.0
"""What ran for so long was no failed start."""

_END_TIMEOUT_S: Final = 30.0
"""How long workers may take to hand over their sessions before they are killed."""

_MAX_NAME_LENGTH: Final = 32
"""Of a node, so that there is room for a worker's number."""

_READ_BYTES: Final = 65_536

Variables = Mapping[str, str | None]
"""Environment variables for the workers; ``None``: not set."""


async def serve_with_workers(
    options: ServerOptions, variables: Variables, stop: asyncio.Event
) -> int:
    """Serve with several processes until the stop is asked for.

    Args:
        variables: The options of ``serve``, as the workers get them.

    Raises:
        StartFailed: The port can't be had, or NATS, or a worker that says nothing.
    """
    level = logging.getLevelNamesMapping()[options.log_level.upper()]
    name = options.node_name or clean_node_name("")[:_MAX_NAME_LENGTH]
    configure_logs(options.log_format.value, level, node=name)
    check_tls_files(options.tls_cert, options.tls_key)
    async with contextlib.AsyncExitStack() as undo:
        output = await undo.enter_async_context(printed_output(as_json=options.as_json))
        port = undo.enter_context(await _reserved(options.host, options.port or 0))
        crew = _Crew(output)
        undo.push_async_callback(crew.stop_nats_server)
        if options.tls_cert is not None:
            undo.enter_context(done_on_hangup(crew.reload_tls))
        running = asyncio.create_task(
            _run(crew, options, name, {**variables, "LOUDSYNC_PORT": str(port)})
        )
        try:
            await first_of(running, stop)
        finally:
            # From here on nothing is started again.
            running.cancel()
            await asyncio.wait({running})
            is_over = crew.nats_server is not None and options.state is None
            await crew.end(close_sessions=is_over)
    return FAILED if not running.cancelled() and running.result() else 0


async def _run(
    crew: "_Crew", options: ServerOptions, name: str, variables: Variables
) -> int:
    """Start everything and keep it running; return only where that fails."""
    servers = options.nats.servers
    if not servers:
        servers = (await crew.start_nats_server(NatsServer(options.state)),)
    # Not among the arguments, which everybody on the machine can read.
    environment = _environment({**variables, "LOUDSYNC_NATS": ",".join(servers)})
    crew.workers = [
        _Worker(f"{name}-{number}", environment)
        for number in range(1, options.workers + 1)
    ]
    return await crew.run()


def _environment(variables: Variables) -> dict[str, str]:
    ours = {
        **variables,
        "LOUDSYNC_JSON": "1",
        "LOUDSYNC_WORKERS": None,
        # It was for the folder of our nats-server.
        "LOUDSYNC_STATE": None,
        # Theirs are arguments, which tell them apart in a list of processes.
        "LOUDSYNC_NODE_NAME": None,
        WORKER_VARIABLE: "1",
    }
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {name: value for name, value in ours.items() if value is not None}


async def _reserved(host: str, port: int) -> contextlib.AbstractContextManager[int]:
    """Take a port; workers share it for as long as the context lives.

    Raises:
        StartFailed: It can't be had.
    """
    try:
        # Alone at first: a port that others share would silently be shared by us.
        bound = await bind(host, port)
    except (OSError, ValueError) as fault:
        raise why_not_listening(host, port, fault) from None
    for one in bound:
        share_port(one)

    @contextlib.contextmanager
    def held() -> Iterator[int]:
        try:
            number: int = bound[0].getsockname()[1]
            yield number
        finally:
            for one in bound:
                one.close()

    return held()


class _Delays:
    """How long to wait before something is started again."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def after(self, ran_s: float) -> float:
        """Return the pause after it ran for so long; at first there is none."""
        delay_s = 0.0 if ran_s >= _STEADY_S else self._next_s
        self._next_s = min(max(_FIRST_DELAY_S, 2 * delay_s), _LONGEST_DELAY_S)
        return delay_s


class _Kept(Protocol):
    """What is started again when it has ended."""

    async def start(self) -> object: ...

    async def wait(self) -> int: ...


async def _keep(kept: _Kept, **said: str) -> None:
    """Start something again whenever it ends; it runs now.

    Args:
        said: What logs call it.
    """
    delays = _Delays()
    began_s = time.monotonic()
    while True:
        why = describe_exit(await kept.wait())
        delay_s = delays.after(time.monotonic() - began_s)
        log.warning("ended_unasked", **said, reason=why, again_in_s=delay_s)
        while True:
            await asyncio.sleep(delay_s)
            began_s = time.monotonic()
            try:
                await kept.start()
            except StartFailed as fault:
                delay_s = delays.after(0)
                log.error("start_failed", **said, reason=str(fault), again_in_s=delay_s)
            else:
                break


def describe_exit(code: int) -> str:
    """Say how a process ended: by its exit code, or by minus a signal."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


class _Crew:
    """Everything that the supervisor has started.

    Attributes:
        workers: In order of their numbers.
        nats_server: Ours, where there is one.
    """

    def __init__(self, output: Output) -> None:
        self.workers: list[_Worker] = []
        self.nats_server: NatsServer | None = None
        self._output = output

    async def start_nats_server(self, server: NatsServer) -> str:
        """Start our own; return its address.

        Raises:
            StartFailed: It can't run.
        """
        self.nats_server = server
        await server.start()
        log.debug("nats_server_started", port=server.port, pid=server.process_id)
        return server.url

    async def stop_nats_server(self) -> None:
        """Stop ours, if there is one."""
        if self.nats_server is not None:
            await self.nats_server.stop()

    async def run(self) -> int:
        """Start the workers, say so, and keep everything running.

        Returns:
            The exit code of a worker that failed at its first start, and said why.

        Raises:
            StartFailed: One ended without a word.
        """
        # One before all others: what keeps it from starting is told once.
        first, *others = self.workers
        for some in ([first], others):
            await asyncio.gather(*(worker.start() for worker in some))
            for worker in some:
                if worker.url is None and (code := await worker.first_failure()):
                    return code
        url = first.url or ""
        await self._output.say(
            f"Listening at {url} with {len(self.workers)} workers (Ctrl-C ends it)"
        )
        await self._output.tell(Listening(url=url, workers=len(self.workers)))
        async with asyncio.TaskGroup() as keeping:
            if self.nats_server is not None:
                keeping.create_task(_keep(self.nats_server, program="nats-server"))
            for worker in self.workers:
                keeping.create_task(_keep(worker, program=worker.name))
        return FAILED  # never: they are kept for ever

    def reload_tls(self) -> None:
        """Let every worker read its certificate anew."""
        for worker in self.workers:
            if HANGUP is not None:
                worker.send(HANGUP)

    async def end(self, *, close_sessions: bool) -> None:
        """Let every worker end, and wait for it.

        Args:
            close_sessions: Nobody will have the sessions afterwards.
        """
        for worker in self.workers:
            if close_sessions:
                worker.tell(CLOSE)
            else:
                worker.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_TIMEOUT_S):
                await asyncio.gather(*(worker.wait() for worker in self.workers))
        except TimeoutError:
            log.error("workers_killed", after_s=_END_TIMEOUT_S)
        finally:
            for worker in self.workers:
                worker.kill()
        await asyncio.gather(*(worker.wait() for worker in self.workers))


class _Worker:
    """One server process, and the next when it has crashed.

    Attributes:
        name: Its node's.
        url: Where it listens; ``None``: it never has.
    """

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.url: str | None = None
        self._environment = environment
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it; return once it listens or has ended.

        Raises:
            StartFailed: The system starts no more processes.
        """
        warnings = [f"-W{option}" for option in sys.warnoptions]
        # -P: a folder called loudsync, where we happen to be, is no program of ours.
        program = (sys.executable, "-P", *warnings, "-m", "loudsync")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *program,
                *("serve", "--node-name", self.name),
                stdin=PIPE,
                stdout=PIPE,
                env=self._environment,
                # Ctrl-C is for the supervisor, which then tells the workers.
                start_new_session=True,
            )
        except OSError as fault:
            raise StartFailed(f"Can't start a worker: {fault.strerror}") from None
        if line := await _lines(self._process).readline():
            with contextlib.suppress(msgspec.DecodeError):
                self.url = msgspec.json.decode(line, type=Listening).url

    async def wait(self) -> int:
        """Wait until it has ended; its exit code, or minus its signal.

        One that was never started has ended with 0.
        """
        process = self._process
        if process is None:
            return 0
        # Who doesn't read what it prints would hold it up.
        lines = _lines(process)
        while await lines.read(_READ_BYTES):
            pass
        return await process.wait()

    async def first_failure(self) -> int:
        """Return the exit code of one that ended before it listened.

        Raises:
            StartFailed: It said nothing about it.
        """
        code = await self.wait()
        if code <= 0:
            raise StartFailed(
                f"The worker {self.name} didn't start: {describe_exit(code)}"
            )
        return code

    def tell(self, order: bytes) -> None:
        """Give it an order, if it still runs."""
        orders = None if self._process is None else self._process.stdin
        if orders is not None and not orders.is_closing():
            orders.write(order)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _lines(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    return process.stdout
