"""HTTP as bytes: what no well-behaved client would send, and the whole answer."""

import asyncio
from typing import Any, NamedTuple

import msgspec

from raw_peer import PATIENCE_S


class Answer(NamedTuple):
    """One response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error_code(self) -> str:
        """The code of an error object with nothing in it but what may be there."""
        (error,) = self.json().values()
        assert {"code", "message"} <= error.keys() <= {"code", "message", "details"}
        assert error["message"]
        return str(error["code"])


async def exchange(port: int, *pieces: bytes, to_the_end: bool = True) -> Answer:
    """Send a request in pieces; return what came until the server closed.

    Args:
        to_the_end: Or only until the answer is there.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)  # a segment of its own, most likely
        async with asyncio.timeout(PATIENCE_S):
            if to_the_end:
                return parse_answer(await reader.read())
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(parse_answer(head).headers["content-length"])
            return parse_answer(head + await reader.readexactly(size))
    finally:
        writer.transport.abort()


def parse_answer(data: bytes) -> Answer:
    """Read exactly one response; bytes behind its body are a second answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version in {"HTTP/1.1", "HTTP/1.0"}
    # What ends with HTTP/1.0's answer needs no header to say so.
    headers = {"connection": "close"} if version == "HTTP/1.0" else {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Answer(int(status), headers, body)
