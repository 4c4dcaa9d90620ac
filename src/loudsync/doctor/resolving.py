"""From names to addresses, without anything that holds up the end."""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

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
