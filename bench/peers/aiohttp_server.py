"""Benchmark peer: the shortest honest LoudSync server on aiohttp and uvloop.

Usage: python aiohttp_server.py SESSIONS MAX_MEMBERS; prints `port N` when ready.
Tuned as aiohttp advises: uvloop, no compression, no access log, a faster JSON library
(msgspec, on bytes), the low-level server, as there is nothing to route.
Leaves out: heartbeat timeouts, latency, rate and backpressure limits, remote hosts,
kicking, the HTTP API, the liveness check before a seat is taken over.
"""

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import uvloop
from aiohttp import WSMsgType, web

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class MemberInfo(msgspec.Struct, rename="camel"):
    """What everybody may see of a member."""

    id: str
    name: str
    is_host: bool = False
    connection_status: str = "connected"
    joined_at: int = msgspec.field(default_factory=now)


@dataclass(slots=True)
class Session:
    """A party: its members by device id, the host's seat not among them."""

    id: str
    members: dict[str, "Member"] = field(default_factory=dict)
    last_number: int = 0


@dataclass(slots=True)
class Member:
    """A seat and the client that sits on it."""

    session: Session
    device_id: str
    info: MemberInfo
    client: "Client | None" = None
    last_heartbeat: int = 0


@dataclass(slots=True)
class Client:
    """A connection and the seat it holds."""

    socket: web.WebSocketResponse[bool]
    transport: asyncio.Transport
    member: Member | None = None


SESSION_COUNT, MAX_MEMBERS = int(sys.argv[1]), int(sys.argv[2])
SESSIONS = {f"p{n}": Session(f"p{n}") for n in range(SESSION_COUNT)}
HOST = MemberInfo("host-1", "Host", is_host=True, connection_status="disconnected")


def message(type_: str, **fields: object) -> bytes:
    """A message of the server, stamped."""
    return encode({"type": type_, "timestamp": now(), **fields})


def member_list(session: Session) -> bytes:
    """Everybody in the session, the host first."""
    infos = [member.info for member in session.members.values()]
    return message("member_list", members=[HOST, *infos])


def error(code: str, text: str, **more: object) -> bytes:
    """An ERROR message."""
    return message("error", code=code, message=text, **more)


def is_text(value: object, max_length: int) -> bool:
    """Whether the value is a string of 1 to max_length characters."""
    return isinstance(value, str) and 1 <= len(value) <= max_length


async def send(client: Client, data: bytes) -> None:
    """Send to one client; a lost connection shows when it is read."""
    with suppress(ConnectionError):
        await client.socket.send_frame(data, WSMsgType.TEXT)


async def send_to_others(member: Member, data: bytes) -> None:
    """Send to everybody in the member's session but the member."""
    for other in list(member.session.members.values()):
        if other.client is not None and other is not member:
            await send(other.client, data)


def find_seat(request: dict[str, Any]) -> Member | bytes:
    """The seat that a JOIN is given, or the ERROR that refuses it."""
    device, session_id = request.get("deviceInfo"), request.get("sessionId")
    if (
        not isinstance(device, dict)
        or not is_text(device.get("id"), 128)
        or not is_text(device.get("name"), 64)
    ):
        return error("invalid_message", "deviceInfo is invalid")
    session = SESSIONS.get(session_id) if isinstance(session_id, str) else None
    if session is None:
        return error("session_not_found", "No such session")
    member = session.members.get(device["id"])
    if member is None:
        taken = len(session.members) + 1
        if taken >= MAX_MEMBERS:
            details = {"maxMembers": MAX_MEMBERS, "currentMembers": taken}
            return error("session_full", "The session is full", details=details)
        session.last_number += 1
        info = MemberInfo(f"client-{session.last_number}", device["name"])
        member = Member(session, device["id"], info)
        session.members[device["id"]] = member
    return member


async def join(client: Client, request: dict[str, Any]) -> None:
    """Seat the client and tell everybody, or refuse it."""
    if client.member is not None:
        member: Member | bytes = error("already_joined", "Already joined")
    else:
        member = find_seat(request)
    if isinstance(member, bytes):
        await send(client, member)
        return
    if member.client is not None:
        member.client.member = None
        member.client.transport.abort()
    member.client, client.member = client, member
    member.info.connection_status = "connected"
    member.last_heartbeat = now()
    session_info = {"id": member.session.id, "name": "Party", "hostId": HOST.id}
    await send(
        client, message("welcome", clientId=member.info.id, sessionInfo=session_info)
    )
    await send(client, member_list(member.session))
    await send_to_others(member, message("member_joined", member=member.info))


async def free_seat(member: Member) -> None:
    """Take the member out of its session."""
    del member.session.members[member.device_id]
    left = message("member_left", memberId=member.info.id, reason="left")
    await send_to_others(member, left)


async def lose_connection(member: Member, close_code: int) -> None:
    """Free the seat after a normal close, keep it after any other end."""
    if close_code == 1000:
        await free_seat(member)
    else:
        member.client = None
        member.info.connection_status = "reconnecting"
        await send_to_others(member, member_list(member.session))


async def answer(client: Client, data: bytes) -> None:
    """Do what one message of a client asks for."""
    try:
        request = decode(data)
    except (ValueError, RecursionError):
        request = None
    member, type_ = client.member, None
    if isinstance(request, dict) and isinstance(request.get("timestamp"), int | float):
        type_ = request.get("type")
    if type_ == "ping":
        await send(client, encode({"type": "pong", "timestamp": request["timestamp"]}))
    elif type_ == "join":
        await join(client, request)
    elif not isinstance(type_, str):
        await send(client, error("invalid_message", "Not a message"))
    elif member is None:
        await send(client, error("unauthorized", "Join first"))
    elif type_ == "heartbeat":
        member.last_heartbeat = now()
    elif type_ == "leave":
        client.member = None
        await free_seat(member)
        await client.socket.close()
    else:
        await send(client, error("invalid_message", "Unknown type"))


async def serve_client(request: web.BaseRequest) -> web.StreamResponse:
    """Serve one connection to its end."""
    socket = web.WebSocketResponse(
        compress=False, decode_text=False, max_msg_size=16 * 1024
    )
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    client = Client(socket, transport)
    while True:
        received = await socket.receive()
        if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            break
        await answer(client, received.data)
    if client.member is not None:
        normal = received.type is WSMsgType.CLOSE and received.data == 1000
        await lose_connection(client.member, 1000 if normal else 1006)
    return socket


async def main() -> None:
    """Serve until killed."""
    runner = web.ServerRunner(web.Server(serve_client, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    sys.stdout.write(f"port {runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
