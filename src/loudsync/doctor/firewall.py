"""Which firewall is on, and what opens it: one table for every system."""

import asyncio
import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from loudsync.doctor.finding import Finding, note, ok, problem

_CHECK: Final = "firewall"

_PROGRAM_TIMEOUT_S: Final = 2.0

_MACOS_TOOL: Final = "/usr/libexec/ApplicationFirewall/socketfilterfw"

_NETSH: Final = "netsh advfirewall firewall add rule dir=in action=allow"

_UFW_CONF: Final = Path("/etc/ufw/ufw.conf")

OPENED_BY: Final = {
    "ufw": ("sudo ufw allow {port}/tcp", "sudo ufw allow 5353/udp"),
    "firewalld": (
        "sudo firewall-cmd --permanent --add-port={port}/tcp --add-service=mdns",
        "sudo firewall-cmd --reload",
    ),
    "nftables": (
        "sudo nft insert rule inet filter input tcp dport {port} accept",
        "sudo nft insert rule inet filter input udp dport 5353 accept",
    ),
    "iptables": (
        "sudo iptables -I INPUT -p tcp --dport {port} -j ACCEPT",
        "sudo iptables -I INPUT -p udp --dport 5353 -j ACCEPT",
    ),
    "macOS firewall": (
        f"sudo {_MACOS_TOOL} --add {{python}}",
        f"sudo {_MACOS_TOOL} --unblockapp {{python}}",
    ),
    "Windows firewall": (
        f"{_NETSH} protocol=TCP localport={{port}} name=LoudSync",
        f"{_NETSH} protocol=UDP localport=5353 name=LoudSync-mDNS",
    ),
}
"""What lets guests in, at the port and by mDNS (UDP 5353), for each firewall."""

_WINDOWS_HINT: Final = (
    "Answer the question that Windows asks at the first start with Allow, or run "
    "in PowerShell as administrator: "
)

_SERVICES: Final = {
    "nftables": "nftables",
    "iptables": "iptables",
    "netfilter-persistent": "iptables",
}
"""Services that load rules at the start of a Linux system, and whose rules."""


class Firewall(NamedTuple):
    """A firewall that is on.

    Attributes:
        name: One of ``OPENED_BY``.
        blocks_all: Whether it lets nothing in, whatever its rules say.
    """

    name: str
    blocks_all: bool = False


async def look_at_firewall(port: int) -> list[Finding]:
    """Say which firewall is on here, and what opens it.

    Only what everybody may read is asked; whether the port is open already is
    for administrators to know, so it is told as a hint.
    """
    return judge_firewalls(await _find_firewalls(), port, _python())


def judge_firewalls(
    firewalls: Iterable[Firewall], port: int, python: str
) -> list[Finding]:
    """Say what to do about firewalls that are on.

    Args:
        port: What guests come to.
        python: The program that has to be let through, on macOS.
    """
    findings = []
    for firewall in firewalls:
        if firewall.blocks_all:
            findings.append(
                problem(
                    _CHECK,
                    f"The {firewall.name} blocks all incoming connections.",
                    "Switch that off in System Settings, Network, Firewall, Options.",
                )
            )
            continue
        commands = "; ".join(OPENED_BY[firewall.name]).format(port=port, python=python)
        hint = _WINDOWS_HINT if firewall.name == "Windows firewall" else "Run: "
        the = "The " if " " in firewall.name else "The firewall "
        findings.append(
            note(
                _CHECK,
                f"{the}{firewall.name} is on. It may keep guests out, or let them in: "
                "only administrators can see that.",
                f"If guests can't reach port {port}, open it. {hint}{commands}",
            )
        )
    return findings or [ok(_CHECK, "No active firewall was found on this machine.")]


def _python() -> str:
    return os.path.realpath(sys.executable)


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


async def _find_firewalls(platform: str = sys.platform) -> list[Firewall]:
    if platform == "win32":
        return windows_firewall(_windows_profiles())
    if platform == "darwin":
        return macos_firewall(await read_output(_MACOS_TOOL, "--getglobalstate"))
    return await find_linux_firewalls()


async def find_linux_firewalls(ufw_conf: Path = _UFW_CONF) -> list[Firewall]:
    """Find the firewalls that are on, by what everybody may read."""
    state, services = await asyncio.gather(
        read_output("firewall-cmd", "--state"),
        read_output("systemctl", "is-active", *_SERVICES),
    )
    return linux_firewalls(_read(ufw_conf), state, services)


def linux_firewalls(ufw_conf: str, firewalld: str, services: str) -> list[Firewall]:
    """Tell which firewalls of Linux are on.

    Args:
        ufw_conf: ``/etc/ufw/ufw.conf``; empty where there is none.
        firewalld: What ``firewall-cmd --state`` prints.
        services: What ``systemctl is-active`` prints of ``_SERVICES``, a line each.
    """
    names = []
    if re.search(
        r"^\s*ENABLED\s*=\s*[\"']?yes", ufw_conf, re.IGNORECASE | re.MULTILINE
    ):
        names.append("ufw")
    if firewalld.strip() == "running":
        names.append("firewalld")
    if not names:
        # The other two are made of these.
        states = services.split()
        if len(states) == len(_SERVICES):
            names = [
                name
                for name, state in zip(_SERVICES.values(), states, strict=True)
                if state == "active"
            ]
    return [Firewall(name) for name in dict.fromkeys(names)]


def macos_firewall(state: str) -> list[Firewall]:
    """Tell whether the firewall of macOS is on.

    Args:
        state: What ``socketfilterfw --getglobalstate`` prints.
    """
    match = re.search(r"State = (\d)", state)
    if match is None or match[1] == "0":
        return []
    return [Firewall("macOS firewall", blocks_all=match[1] == "2")]


def windows_firewall(profiles: Iterable[int]) -> list[Firewall]:
    """Tell whether the firewall of Windows is on.

    Args:
        profiles: ``EnableFirewall`` of each kind of network.
    """
    return [Firewall("Windows firewall")] if any(profiles) else []


def _windows_profiles() -> list[int]:
    """Read the registry: what ``netsh`` prints is in the language of the system."""
    values: list[int] = []
    if sys.platform == "win32":
        import winreg

        root = (
            r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
        )
        for profile in ("StandardProfile", "PublicProfile", "DomainProfile"):
            with (
                suppress(OSError),
                winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{root}\{profile}") as key,
            ):
                value, _ = winreg.QueryValueEx(key, "EnableFirewall")
                values.append(int(value))
    return values


async def read_output(program: str, *arguments: str) -> str:
    """Run a program; return what it prints, or nothing where it can't."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(_PROGRAM_TIMEOUT_S):
            out, _ = await process.communicate()
    except TimeoutError:
        return ""
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return out.decode(errors="replace")
