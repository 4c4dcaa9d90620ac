"""Two machines on one network: found and joined with no address typed.

Real processes in network namespaces that a cable joins; where the system allows
no namespaces, on the loopback interface of this machine.
"""

import secrets
import signal
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cli_process import Fields, Process, loudsync_behind, loudsync_instead
from two_machines import (
    Machine,
    add_network,
    namespaces_are_allowed,
    set_cable,
    two_machines,
)

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)

needs_namespaces = pytest.mark.skipif(
    not namespaces_are_allowed(), reason="no network namespaces are allowed here"
)

HERE = Machine((), "127.0.0.1", "lo")

EVERYWHERE = {"LOUDSYNC_INTERFACE": ""}
"""In a namespace there is nobody else to hear."""


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Machine, Machine]]:
    """The host's machine and the guest's."""
    with two_machines() as machines:
        yield machines


@pytest.fixture(
    params=["loopback", pytest.param("cable", marks=needs_namespaces)],
)
def machines(request: pytest.FixtureRequest) -> tuple[Machine, Machine]:
    if request.param == "loopback":
        return HERE, HERE
    found: tuple[Machine, Machine] = request.getfixturevalue("pair")
    return found


@pytest.fixture
def code() -> str:
    return f"t-{secrets.token_hex(6)}"


def on(machine: Machine, *arguments: str) -> Any:
    """Run `loudsync` on a machine; a party there is on its own network only."""
    is_here = machine is HERE
    if arguments[0] in ("host", "serve") and "--host" not in arguments:
        at = ("--host", HERE.address) if is_here else ()
        arguments = (
            *arguments,
            *at,
            *(() if "--port" in arguments else ("--port", "0")),
        )
    return loudsync_behind(machine.enter, *arguments, **({} if is_here else EVERYWHERE))


def party_event(process: Process, kind: str, code: str, accept: Any = bool) -> Fields:
    """The next event of a search about the party with this code."""
    event = process.event(
        kind, lambda e: e["party"]["id"] == code and accept(e["party"])
    )
    party: Fields = event["party"]
    return party


def url_with(search: Process, code: str, *parts: str) -> str:
    """A party's URL with the first of these in it, once it has one with each.

    What is said over IPv4 and what over IPv6 comes in any order.
    """
    while True:
        event = msgspec.json.decode(search.line())
        party = event.get("party", {"id": ""})
        if party["id"] == code:
            found = [[url for url in party["urls"] if part in url] for part in parts]
            if all(found):
                return str(found[0][0])


def test_host_discover_and_join_with_no_address_typed(
    machines: tuple[Machine, Machine], code: str
) -> None:
    hosts, guests = machines
    name = f"Party {code}"
    with (
        on(guests, "discover", "--json") as search,
        on(hosts, "host", name, "--session-id", code, "--json") as host,
    ):
        link = host.event("listening")["joinUrl"]
        found = party_event(search, "found", code)
        assert (found["name"], found["joinUrl"]) == (name, link)
        assert hosts.address in link

        answered = party_event(search, "updated", code, lambda p: "isReachable" in p)
        assert answered["isReachable"]
        assert answered["roundTripMs"] > 0
        party_event(search, "updated", code, lambda p: "ageS" in p)

        with (
            on(guests, "join", code, "--name", "Ann") as by_code,
            on(guests, "join", name.upper(), "--name", "Ben") as by_name,
            on(guests, "join", link, "--name", "Cy") as by_link,
        ):
            for guest in (by_code, by_name, by_link):
                guest.line_with(f"You are in {name}")
            party_event(search, "updated", code, lambda p: p["memberCount"] == 4)

            host.send(signal.SIGTERM)
            assert host.wait() == 0
            for guest in (by_code, by_name, by_link):
                assert "The party is over" in guest.rest()[-1]
                assert (guest.wait(), guest.errors) == (0, "")
        # Its goodbye, long before its records would have been forgotten.
        party_event(search, "lost", code)
        search.send(signal.SIGINT)
        assert (search.wait(), search.errors, host.errors) == (0, "", "")


def test_a_server_advertises_its_listed_parties(
    machines: tuple[Machine, Machine], code: str
) -> None:
    hosts, guests = machines
    with on(hosts, "serve", "--advertise", "--json") as server:
        url = server.event("listening")["url"]
        body = msgspec.json.encode({"name": "Far", "id": code, "listed": True}).decode()
        post = (
            "import urllib.request as r;"
            f"print(r.urlopen(r.Request({url + '/sessions'!r},"
            f" {body!r}.encode())).status)"
        )
        with (
            on(guests, "discover", "--json") as search,
            _python(hosts, post) as opened,
        ):
            assert opened.line() == "201"
            assert party_event(search, "found", code)["name"] == "Far"
            server.send(signal.SIGTERM)
            party_event(search, "lost", code)


def _python(machine: Machine, program: str) -> Any:
    return loudsync_instead((*machine.enter, sys.executable, "-c", program))


@needs_namespaces
def test_a_pulled_cable_shows_and_a_plugged_one_too(
    pair: tuple[Machine, Machine], code: str
) -> None:
    hosts, guests = pair
    with (
        on(guests, "discover", "--json") as search,
        on(hosts, "host", "Party", "--session-id", code, "--json"),
    ):
        party_event(search, "updated", code, lambda p: p.get("isReachable") is True)
        set_cable(hosts, "down")
        try:
            gone = party_event(
                search, "updated", code, lambda p: p.get("isReachable") is False
            )
            assert gone["problem"]
        finally:
            set_cable(hosts, "up")
        party_event(search, "updated", code, lambda p: p.get("isReachable") is True)


@needs_namespaces
def test_ipv6_is_announced_where_it_is_listened_at(
    pair: tuple[Machine, Machine], code: str
) -> None:
    hosts, guests = pair
    with (
        on(guests, "discover", "--json") as search,
        on(hosts, "host", "Six", "--session-id", code, "--host", "::", "--port", "0"),
    ):
        url_with(search, code, "http://[fe80::", hosts.address)
    # Its goodbye has come; now over IPv6 alone.
    with (
        on(guests, "discover", "--json") as search,
        on(hosts, "host", "Six", "--session-id", code, "--host", "::", "--port", "0"),
    ):
        six = url_with(search, code, "http://[fe80::")
        assert "%" in six  # its zone
        with on(guests, "join", six, "--session", code) as guest:
            guest.line_with("You are in Six")


@needs_namespaces
def test_a_network_that_comes_later_is_used(
    pair: tuple[Machine, Machine], code: str
) -> None:
    """The host opens its party before it is in the guests' network."""
    hosts, guests = pair
    set_cable(guests, "down")
    try:
        with on(hosts, "host", "Later", "--session-id", code, "--json") as host:
            host.event("listening")
            number = secrets.randbelow(250) + 1
            address, _ = add_network(hosts, guests, number)
            with on(guests, "discover", "--json") as search:
                party = party_event(
                    search, "updated", code, lambda p: p.get("isReachable") is True
                )
                assert address in party["url"]
    finally:
        set_cable(guests, "up")


@needs_namespaces
def test_a_machine_without_a_router_gives_its_address_in_the_link(
    pair: tuple[Machine, Machine], code: str
) -> None:
    hosts, _ = pair
    with on(hosts, "host", "Party", "--session-id", code, "--json") as host:
        link = host.event("listening")["joinUrl"]
        assert link.startswith(f"http://{hosts.address}:")


@needs_namespaces
def test_nobody_has_the_code(pair: tuple[Machine, Machine]) -> None:
    _, guests = pair
    with on(guests, "join", "no-such-code") as guest:
        assert guest.wait() == 1
        assert guest.errors.startswith("loudsync: No party called 'no-such-code'")
        assert guest.errors.count("\n") == 1


@needs_namespaces
def test_two_parties_of_one_name(pair: tuple[Machine, Machine]) -> None:
    hosts, guests = pair
    with (
        on(hosts, "host", "Twins", "--json") as first,
        on(guests, "host", "Twins", "--json") as second,
        on(guests, "discover", "--json") as search,
    ):
        ids = {p.event("listening")["session"]["id"] for p in (first, second)}
        found = {search.event("found")["party"]["id"] for _ in ids}
        assert found == ids
        with on(guests, "join", "twins") as guest:
            assert guest.wait() == 1
            assert "2 parties are called 'twins'" in guest.errors
            assert guest.errors.count("/?session=") == 2
