"""Two machines on one cable: network namespaces joined by a veth pair.

Where the system doesn't allow namespaces, one machine that is alone: the
loopback interface.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

_NETWORK = "10.77.0"


class Machine(NamedTuple):
    """A machine to run commands on.

    Attributes:
        enter: What a command's line begins with to run there.
        address: Its IPv4 address on the cable.
        addresses: All of its addresses there.
    """

    enter: tuple[str, ...]
    address: str
    device: str


@functools.cache
def namespaces_are_allowed() -> bool:
    """Whether this process may make machines of its own."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"loudsync-{os.getpid()}-try"
    made = subprocess.run(
        ["ip", "netns", "add", name], capture_output=True, check=False
    )
    if made.returncode == 0:
        _ip("netns", "del", name)
    return made.returncode == 0


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Make two machines that can reach each other and nothing else."""
    machines = [
        Machine(
            ("ip", "netns", "exec", f"loudsync-{os.getpid()}-{number}"),
            f"{_NETWORK}.{number}",
            "cable0",
        )
        for number in (1, 2)
    ]
    names = [machine.enter[-1] for machine in machines]
    try:
        for name in names:
            _ip("netns", "add", name)
        ends = [f"ls{os.getpid() % 100_000}{end}" for end in "ab"]
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for machine, name, end in zip(machines, names, ends, strict=True):
            _ip("link", "set", end, "netns", name)
            _ip("-n", name, "link", "set", end, "name", machine.device)
            _ip("-n", name, "link", "set", "lo", "up")
            # Without the wait for duplicates an address can be used at once.
            _in(name, "sysctl", "-qw", f"net.ipv6.conf.{machine.device}.accept_dad=0")
            _ip(
                "-n",
                name,
                "addr",
                "add",
                f"{machine.address}/24",
                "dev",
                machine.device,
            )
            _ip("-n", name, "link", "set", machine.device, "up")
        yield machines[0], machines[1]
    finally:
        for name in names:
            subprocess.run(
                ["ip", "netns", "del", name], capture_output=True, check=False
            )


def set_cable(machine: Machine, state: str) -> None:
    """Pull the cable of a machine out (``down``), or plug it in (``up``)."""
    _ip("-n", machine.enter[-1], "link", "set", machine.device, state)


def add_network(machine: Machine, other: Machine, number: int) -> tuple[str, str]:
    """Join two machines by a second cable; their addresses on it."""
    ends = [f"lt{os.getpid() % 100_000}{end}" for end in "ab"]
    _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    addresses = []
    for end, at, last in zip(ends, (machine, other), (1, 2), strict=True):
        name = at.enter[-1]
        _ip("link", "set", end, "netns", name)
        address = f"10.78.{number}.{last}"
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
        _ip("-n", name, "link", "set", end, "up")
        addresses.append(address)
    return addresses[0], addresses[1]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _in(name: str, *command: str) -> None:
    subprocess.run(
        ["ip", "netns", "exec", name, *command], check=True, capture_output=True
    )
