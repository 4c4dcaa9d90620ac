"""From names to addresses, without anything that holds up the end."""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


async def resolve(host: str | None, port: int, flags: int = 0) -> list[AddressInfo]:
    """Return what a host stands for, each once, in the system's order.

    The system may take half a minute to say that it knows nothing. The thread
    that waits for it is one that neither the loop nor the interpreter joins.

    Args:
        host: A name or an address; ``None`` with ``AI_PASSIVE`` is every one.

    Raises:
        OSError: Nothing is known of it.
    """
    loop = asyncio.get_running_loop()
    known: asyncio.Future[list[AddressInfo]] = loop.create_future()

    def settle(infos: list[AddressInfo], fault: OSError | None) -> None:
        if known.cancelled():
            return
        if fault is None:
            known.set_result(infos)
        else:
            known.set_exception(fault)

    def ask() -> None:
        infos: list[AddressInfo] = []
        failure: OSError | None = None
        try:
            infos = list(
                dict.fromkeys(
                    socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
                )
            )
        except UnicodeError:
            failure = OSError(f"{host} is no name of a host")
        except OSError as fault:
            failure = fault
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(settle, infos, failure)

    threading.Thread(target=ask, name="loudsync resolver", daemon=True).start()
    return await known


class Resolver(AbstractResolver):
    """The same for aiohttp, whose own waits in threads that the end waits for."""

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        """Return what a host stands for."""
        return [
            ResolveResult(
                hostname=host,
                # With its zone, where it has one.
                host=socket.getnameinfo(address, _AS_NUMBERS)[0],
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in await resolve(host, port)
            if family in (kind, socket.AF_UNSPEC)
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


_AS_NUMBERS = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
