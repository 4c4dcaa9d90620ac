"""What ``join`` does: find the party, run a client, show what happens."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from loudsync.address import Address, join_link, parse_address
from loudsync.cli.options import DEFAULT_SERVER
from loudsync.cli.output import Output, choose_output
from loudsync.cli.problems import Removed
from loudsync.cli.runtime import first_of
from loudsync.cli.views import GuestView
from loudsync.client import Client, join
from loudsync.core.events import Event, RemovedByHost
from loudsync.errors import ConnectionFailed, NotConnected
from loudsync.server.logs import configure_logs

LATENCY_INTERVAL_S: Final = 10.0
"""How often a guest asks for everybody's latency."""

LATENCY_COST_S: Final = 0.1
"""What each member adds to that: a crowd that asked every 10 s would be sent
the list of the crowd, times the crowd."""

_LOOK_HERE_TIMEOUT_S: Final = 5.0
"""How long a server on this machine may take to say whether it has the party. Where
there is none, that is known at once; one that nobody has asked anything yet loads
its HTTP side first, which takes a small or busy machine seconds."""


_ADDRESS: Final = re.compile(
    r"""
    [a-z]+:// |                      # a link
    [^\s/:]+:\d+ (?:[/?#]|$) |       # a host with a port
    \[[0-9a-f:.]+ (?:%\w+)? \] |    # an IPv6 address
    \d+\.\d+\.\d+\.\d+ (?:[/?#:]|$) |
    \S+\?session=                    # a link that lost its beginning
    """,
    re.IGNORECASE | re.VERBOSE,
)


class VisitOptions(NamedTuple):
    """Which party, and as whom.

    Attributes:
        target: A link, an address, a code or a name.
        session_id: The code, where the target is an address without one.
        server: Where a code or a name is looked for; ``None``: the network.
        interfaces: Where on the network; none: everywhere.
    """

    target: str
    session_id: str | None
    name: str
    token: str | None
    server: str | None
    interfaces: tuple[str, ...]
    as_json: bool

    @property
    def is_address(self) -> bool:
        """Whether the target says where the party is; a name may look alike."""
        return self.session_id is not None or bool(_ADDRESS.match(self.target.strip()))

    @property
    def is_code(self) -> bool:
        """Whether the target may be a code; else it is a name."""
        return not self.is_address and " " not in self.target


async def join_party(options: VisitOptions, stop: asyncio.Event) -> int:
    """Be a guest until the party is over, the seat is lost, or the stop.

    Raises:
        InvalidSetting: An option is out of its range; nobody was asked anything.
    """
    _check(options)
    async with choose_output(as_json=options.as_json) as output:
        with output.hold_errors():
            configure_logs("console", logging.WARNING)
            visiting = asyncio.create_task(_visit(options, output))
            await first_of(visiting, stop)
            if not visiting.done():
                visiting.cancel()
                await asyncio.wait({visiting})
                if visiting.cancelled():
                    await output.say("You left the party.")
                    return 0
            await visiting
    return 0


def _check(options: VisitOptions) -> None:
    """Check what doesn't depend on where the party is."""
    session_id = options.session_id
    if session_id is None:
        session_id = options.target if options.is_code else "any"
    join(DEFAULT_SERVER, session_id=session_id, name=options.name, token=options.token)


async def _visit(options: VisitOptions, output: Output) -> None:
    url, session_id = await _place(options, output)
    address = parse_address(url)
    client = join(url, session_id=session_id, name=options.name, token=options.token)
    await output.say(f"Connecting to {address.url} (Ctrl-C leaves)")
    async with client:
        guest_events = _GuestEvents(client)
        asking = asyncio.create_task(_ask_for_latency(client, output))
        try:
            await output.follow(guest_events, _view(client, address))
        finally:
            asking.cancel()
    if guest_events.removed is not None:
        raise Removed(guest_events.removed.reason)


async def _place(options: VisitOptions, output: Output) -> tuple[str, str | None]:
    """Return where the party is, and its code where that doesn't say it."""
    target, server = options.target.strip(), options.server
    if options.is_address:
        return target, options.session_id
    if server is not None and options.is_code:
        return server, target
    # Only who looks for a party needs to load what looks.
    from loudsync.discovery import find_party

    if server is not None:
        await output.say(f"Looking for {target} at {server} (Ctrl-C ends it)")
        party = await find_party(target, [server], mdns=False)
    elif options.is_code and await _is_here(target):
        return DEFAULT_SERVER, target
    else:
        await output.say(f"Looking for {target} on this network (Ctrl-C ends it)")
        party = await find_party(target, interfaces=options.interfaces)
    return party.url, party.id


async def _is_here(code: str) -> bool:
    """Ask the server on this machine, for parties that nobody announces."""
    from loudsync.discovery.listing import ask_age
    from loudsync.discovery.ping import open_http
    from loudsync.protocol import SessionId

    try:
        async with open_http() as http:
            await ask_age(
                http, DEFAULT_SERVER, SessionId(code), timeout_s=_LOOK_HERE_TIMEOUT_S
            )
    except ConnectionFailed:
        return False
    return True


def _view(client: Client, address: Address) -> GuestView:
    return GuestView(client, join_link(address.base_url, client.session.id))


class _GuestEvents(AsyncIterator[Event]):
    """A client's events; remembers whether the host ended them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.removed: RemovedByHost | None = None

    async def __anext__(self) -> Event:
        event = await anext(self._client)
        if isinstance(event, RemovedByHost):
            self.removed = event
        return event


async def _ask_for_latency(client: Client, output: Output) -> None:
    while output.shows_latency:
        members = len(client.members)
        await asyncio.sleep(max(LATENCY_INTERVAL_S, members * LATENCY_COST_S))
        try:
            await client.request_members()
        except NotConnected:
            continue
