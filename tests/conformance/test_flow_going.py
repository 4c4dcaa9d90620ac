"""Going: LEAVE, close codes, timeout, kick, the session's end."""

from stage import Party, flow, flow_with, join


@flow
async def test_graceful_leave(party: Party) -> None:
    """The specification's "Graceful Leave Flow"."""
    await party.create()
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    await bob.peer.say({"type": "leave", "reason": "User exited session"})
    assert await bob.peer.closed() == 1000
    left = await ann.peer.receive()
    assert (left["type"], left["memberId"], left["reason"]) == (
        "member_left",
        bob.id,
        "left",
    )
    await party.quiet(ann.peer)


@flow
async def test_close_code_1000_counts_as_leaving(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    await bob.peer.hang_up(1000)
    assert (await ann.peer.receive())["reason"] == "left"


@flow
async def test_a_broken_protocol_costs_the_seat_at_once(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    await bob.peer.break_protocol()
    assert await bob.peer.closed() == 1002
    left = await ann.peer.receive()
    assert (left["memberId"], left["reason"]) == (bob.id, "error")
    again = await party.join("device-2", "Bob")
    assert again.id != bob.id


@flow_with(heartbeat_check_s=0.1)
async def test_timeout_disconnect(party: Party) -> None:
    """The specification's "Timeout Disconnect Flow": 15 s without HEARTBEAT."""
    await party.create()
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    for _ in range(2):
        await party.pass_time(5)
        await party.beat(ann.peer)
    await party.pass_time(4.9)
    await party.quiet(bob.peer)  # a PING does not keep it alive, but it is there
    await party.beat(ann.peer)
    await party.pass_time(0.2)
    assert await bob.peer.closed() == 1008
    left = await ann.peer.receive()
    assert (left["memberId"], left["reason"]) == (bob.id, "timeout")
    await party.quiet(ann.peer)


@flow_with(heartbeat_check_s=0.1)
async def test_only_heartbeat_keeps_a_member_alive(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    for _ in range(3):
        await party.quiet(ann.peer)
        await ann.peer.say({"type": "member_list"})
        await ann.peer.receive()
        await party.pass_time(5.1)
    assert await ann.peer.closed() == 1008


@flow
async def test_session_closed(party: Party) -> None:
    """The specification's "Session Closed Flow", asked for by a remote host."""
    await party.create(remote=True)
    host = await party.join("host-device", "Host", token="the-host-token")
    ann = await party.join("device-1", "Ann")
    await host.peer.receive()
    await host.peer.say({"type": "session_closed", "reason": "Good night"})
    for guest in (host, ann):
        closed = await guest.peer.receive()
        assert (closed["type"], closed["reason"]) == ("session_closed", "Good night")
        assert await guest.peer.closed() == 1000
    late = await party.connect()
    await late.say(join("device-3"))
    assert (await late.receive())["code"] == "session_not_found"


@flow
async def test_session_closed_by_the_program(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1", "Ann")
    await party.close()
    closed = await ann.peer.receive()
    assert (closed["type"], closed["reason"]) == (
        "session_closed",
        "Host ended the session",
    )
    assert await ann.peer.closed() == 1000


@flow
async def test_kick(party: Party) -> None:
    """KICKED, 1000, MEMBER_LEFT, and the device stays out (contract, section 3)."""
    await party.create(remote=True)
    host = await party.join("host-device", "Host", token="the-host-token")
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    for guest, joins in ((host, 2), (ann, 1)):
        for _ in range(joins):
            await guest.peer.receive()
    await host.peer.say({"type": "kicked", "memberId": bob.id, "reason": "Too loud"})
    kicked = await bob.peer.receive()
    assert (kicked["type"], kicked["reason"]) == ("kicked", "Too loud")
    assert await bob.peer.closed() == 1000
    for guest in (host, ann):
        left = await guest.peer.receive()
        assert (left["memberId"], left["reason"]) == (bob.id, "kicked")
    again = await party.connect()
    await again.say(join("device-2", "Bob in disguise"))
    refused = await again.receive()
    assert (refused["type"], refused["code"]) == ("error", "unauthorized")
    await party.quiet(host.peer, ann.peer)


@flow
async def test_a_kick_without_a_reason_says_the_usual_one(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    await party.kick(ann.id)
    kicked = await ann.peer.receive()
    assert kicked["reason"] == "Host removed you from the session"
    assert await ann.peer.closed() == 1000


@flow
async def test_a_member_that_is_away_can_be_kicked_too(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    await bob.peer.hang_up(1006)
    assert (await ann.peer.receive())["type"] == "member_list"
    await party.kick(bob.id)
    assert (await ann.peer.receive())["reason"] == "kicked"
    again = await party.connect()
    await again.say(join("device-2"))
    assert (await again.receive())["code"] == "unauthorized"
