"""Every error code, and what follows it (specification, "8. ERROR")."""

import pytest

from stage import Party, flow, flow_with, join


@flow
async def test_session_not_found(party: Party) -> None:
    await party.create()
    peer = await party.connect()
    await peer.say(join("device-1", session_id="nowhere"))
    refused = await peer.receive()
    assert (refused["type"], refused["code"]) == ("error", "session_not_found")
    await peer.say(join("device-1"))  # the connection stays open to correct itself
    assert (await peer.receive())["type"] == "welcome"


@flow
async def test_session_full(party: Party) -> None:
    await party.create(max_members=2)
    ann = await party.join("device-1")
    peer = await party.connect()
    await peer.say(join("device-2"))
    refused = await peer.receive()
    assert refused["code"] == "session_full"
    assert refused["message"] == "Session has reached maximum capacity (2 members)"
    assert refused["details"] == {"maxMembers": 2, "currentMembers": 2}
    await ann.peer.say({"type": "leave"})
    await ann.peer.closed()
    await peer.say(join("device-2"))
    assert (await peer.receive())["type"] == "welcome"


@flow
async def test_already_joined_on_the_same_connection(party: Party) -> None:
    await party.create("abc123")
    await party.create("other1")
    ann = await party.join("device-1", session_id="abc123")
    for session_id in ("abc123", "other1"):
        await ann.peer.say(join("device-1", session_id=session_id))
        assert (await ann.peer.receive())["code"] == "already_joined"
    await party.quiet(ann.peer)


@flow
async def test_version_mismatch(party: Party) -> None:
    await party.create()
    peer = await party.connect()
    await peer.say(join("device-1", version="2.0"))
    refused = await peer.receive()
    assert refused["code"] == "version_mismatch"
    assert refused["details"] == {"supported": "1.0", "requested": "2.0"}
    await peer.say(join("device-1", version="1.9"))
    assert (await peer.receive())["type"] == "welcome"


@flow
async def test_unauthorized_before_joining(party: Party) -> None:
    await party.create()
    peer = await party.connect()
    for kind in ("leave", "heartbeat", "member_list", "session_closed"):
        await peer.say({"type": kind})
        assert (await peer.receive())["code"] == "unauthorized"
    await peer.say({"type": "kicked", "memberId": "client-1"})
    assert (await peer.receive())["code"] == "unauthorized"


@flow
async def test_invalid_message_names_the_place_and_the_reason(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    good = join("device-2")
    wrong = [
        ("hello", "$"),
        ("[]", "$"),
        ('{"timestamp":1}', "$.type"),
        ('{"type":"dance","timestamp":1}', "$.type"),
        ('{"type":"ping"}', "$.timestamp"),
        ('{"type":"ping","timestamp":"now"}', "$.timestamp"),
        ('{"type":"ping","timestamp":null}', "$.timestamp"),
        ('{"type":"kicked","timestamp":1}', "$.memberId"),
        ('{"type":"leave","timestamp":1,"reason":7}', "$.reason"),
    ]
    for text, path in wrong:
        await ann.peer.say_text(text)
        refused = await ann.peer.receive()
        assert refused["code"] == "invalid_message", text
        assert refused["details"]["path"] == path, text
        assert refused["details"]["reason"], text
    for info, path in (
        ({**good["deviceInfo"], "name": " "}, "$.deviceInfo.name"),
        ({**good["deviceInfo"], "name": "x" * 65}, "$.deviceInfo.name"),
        ({**good["deviceInfo"], "name": "a\x1b[31mb"}, "$.deviceInfo.name"),
        ({**good["deviceInfo"], "id": ""}, "$.deviceInfo.id"),
        ({**good["deviceInfo"], "id": "x" * 129}, "$.deviceInfo.id"),
        ({**good["deviceInfo"], "type": "boss"}, "$.deviceInfo.type"),
        ({"id": "d", "type": "client"}, "$.deviceInfo.name"),
    ):
        await ann.peer.say({**good, "deviceInfo": info})
        refused = await ann.peer.receive()
        assert refused["code"] == "invalid_message"
        assert refused["details"]["path"] == path
    await party.quiet(ann.peer)


@flow
async def test_what_servers_say_is_not_for_clients_to_say(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    for kind in ("welcome", "member_joined", "member_left", "pong", "error"):
        await ann.peer.say({"type": kind})
        refused = await ann.peer.receive()
        assert refused["code"] == "invalid_message"
        assert refused["details"]["path"] == "$.type"


@flow
async def test_a_binary_message_is_invalid(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    await ann.peer.say_bytes(b'{"type":"heartbeat","timestamp":1}')
    assert (await ann.peer.receive())["code"] == "invalid_message"
    await party.quiet(ann.peer)


@flow
async def test_checks_come_in_the_contracts_order(party: Party) -> None:
    """Valid, version, session, allowed, seated, free: the first one speaks."""
    await party.create(max_members=2)
    ann = await party.join("device-1")
    peer = await party.connect()
    steps = [
        ({"version": "x", "session_id": "none", "token": ""}, "invalid_message"),
        ({"version": "2.0", "session_id": "none", "token": ""}, "version_mismatch"),
        ({"session_id": "none", "token": ""}, "session_not_found"),
        ({"token": ""}, "unauthorized"),
        ({}, "already_joined"),
    ]
    for fields, code in steps:
        await peer.say(join("device-1", **fields))
        assert (await peer.receive())["code"] == code
    await peer.say(join("device-2"))
    assert (await peer.receive())["code"] == "session_full"
    await party.quiet(ann.peer)


@flow
async def test_the_tenth_refused_join_is_the_last(party: Party) -> None:
    await party.create()
    peer = await party.connect()
    for _ in range(10):
        await peer.say(join("device-1", session_id="guess"))
        assert (await peer.receive())["code"] == "session_not_found"
    assert await peer.closed() == 1008


@flow
async def test_a_connection_must_join_within_15_s(party: Party) -> None:
    await party.create()
    peer = await party.connect()
    await party.pass_time(14.9)
    await party.quiet(peer)
    await party.pass_time(5)
    assert await peer.closed() == 1008


@flow_with(max_message_rate=0.01)
async def test_a_flood_is_kicked(party: Party) -> None:
    """Contract, section 7: a burst of 100, refilled at the rate."""
    await party.create()
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    for number in range(99):  # JOIN was the first of the hundred
        await bob.peer.say({"type": "ping", "timestamp": number})
    for number in range(99):
        assert (await bob.peer.receive())["timestamp"] == number
    await bob.peer.say({"type": "ping"})
    kicked = await bob.peer.receive()
    assert kicked["type"] == "kicked"
    assert "Too many messages" in kicked["reason"]
    assert await bob.peer.closed() == 1008
    assert (await ann.peer.receive())["reason"] == "kicked"


@flow_with(max_message_rate=0.01)
async def test_invalid_messages_cost_five(party: Party) -> None:
    await party.create()
    peer = await party.connect()
    for _ in range(20):
        await peer.say_text("?")
        assert (await peer.receive())["code"] == "invalid_message"
    await peer.say_text("?")
    assert (await peer.receive())["type"] == "kicked"
    assert await peer.closed() == 1008


@flow_with(max_message_rate=50)
async def test_who_keeps_to_the_rate_is_never_kicked(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    for _ in range(20):
        for _ in range(20):
            await ann.peer.say({"type": "ping"})
            await ann.peer.receive()
        await party.pass_time(0.5)
        await ann.peer.say({"type": "heartbeat"})


def test_the_codes_are_the_specifications() -> None:
    from loudsync import ErrorCode

    assert set(ErrorCode) == {
        "session_not_found",
        "session_full",
        "already_joined",
        "invalid_message",
        "unauthorized",
        "version_mismatch",
    }
    with pytest.raises(ValueError, match="nope"):
        ErrorCode("nope")
