"""Staying and coming back: seats outlive connections (contract, section 5)."""

from stage import Guest, Party, flow, flow_with, join


async def _two(party: Party) -> tuple[Guest, Guest]:
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    return ann, bob


@flow
async def test_a_lost_connection_keeps_the_seat(party: Party) -> None:
    await party.create()
    ann, bob = await _two(party)
    await bob.peer.hang_up(1006)
    told = await ann.peer.receive()
    assert told["type"] == "member_list"
    status = {member["name"]: member["connectionStatus"] for member in told["members"]}
    assert status == {"Host": "connected", "Ann": "connected", "Bob": "reconnecting"}

    await party.pass_time(3)
    back = await party.join("device-2", "Bob")
    assert back.id == bob.id
    assert back.me["joinedAt"] == bob.me["joinedAt"]
    joined = await ann.peer.receive()
    assert joined["type"] == "member_joined"
    assert joined["member"] == back.me
    await party.quiet(ann.peer, back.peer)


@flow
async def test_a_page_reload_keeps_the_seat(party: Party) -> None:
    await party.create()
    ann, bob = await _two(party)
    await bob.peer.hang_up(1001)
    assert (await ann.peer.receive())["type"] == "member_list"
    back = await party.join("device-2", "Bobby")
    assert (back.id, back.me["name"]) == (bob.id, "Bobby")


@flow
async def test_a_close_without_a_code_keeps_the_seat(party: Party) -> None:
    await party.create()
    ann, bob = await _two(party)
    await bob.peer.hang_up(3000)
    assert (await ann.peer.receive())["type"] == "member_list"


@flow_with(heartbeat_check_s=0.1)
async def test_a_seat_waits_15_s_after_the_last_heartbeat(party: Party) -> None:
    await party.create()
    ann, bob = await _two(party)
    await party.pass_time(4)
    await party.beat(ann.peer)  # Bob's last heartbeat was his join, 4 s ago
    await bob.peer.hang_up(1006)
    assert (await ann.peer.receive())["type"] == "member_list"
    await party.pass_time(5.9)
    await party.beat(ann.peer)
    await party.pass_time(5)
    await party.beat(ann.peer)
    await party.pass_time(0.2)
    left = await ann.peer.receive()
    assert (left["memberId"], left["reason"]) == (bob.id, "timeout")
    again = await party.join("device-2", "Bob")
    assert again.id != bob.id, "an id is never used twice"


@flow
async def test_identity_comes_before_capacity(party: Party) -> None:
    await party.create(max_members=3)
    ann, bob = await _two(party)
    await bob.peer.hang_up(1006)
    assert (await ann.peer.receive())["type"] == "member_list"
    stranger = await party.connect()
    await stranger.say(join("device-3"))
    refused = await stranger.receive()
    assert refused["code"] == "session_full"
    assert refused["details"] == {"maxMembers": 3, "currentMembers": 3}
    back = await party.join("device-2", "Bob")
    assert back.id == bob.id


@flow
async def test_a_living_device_can_not_be_pushed_out(party: Party) -> None:
    await party.create()
    ann, bob = await _two(party)
    thief = await party.connect()
    await thief.say(join("device-2", "Bob"))
    refused = await thief.receive()
    assert (refused["type"], refused["code"]) == ("error", "already_joined")
    await party.quiet(ann.peer, bob.peer, thief)


@flow
async def test_a_half_open_connection_gives_way_after_2_s(party: Party) -> None:
    """A phone that changed networks is back on its first try."""
    await party.create()
    ann, bob = await _two(party)
    bob.peer.answers_pings = False
    newer = await party.connect()
    await newer.say(join("device-2", "Bob"))
    await party.quiet(newer)
    await party.pass_time(1.9)
    await party.quiet(newer)
    await party.pass_time(0.2)
    back = Guest(newer, await newer.receive(), await newer.receive())
    assert back.id == bob.id
    assert await bob.peer.closed() == 1006
    joined = await ann.peer.receive()
    assert (joined["type"], joined["member"]["id"]) == ("member_joined", bob.id)
    await party.quiet(ann.peer, newer)


@flow
async def test_any_frame_proves_that_the_old_connection_lives(party: Party) -> None:
    await party.create()
    _, bob = await _two(party)
    bob.peer.answers_pings = False
    newer = await party.connect()
    await newer.say(join("device-2", "Bob"))
    await party.quiet(newer)
    await bob.peer.say({"type": "heartbeat"})
    assert (await newer.receive())["code"] == "already_joined"


@flow
async def test_the_old_connections_end_seats_the_newcomer(party: Party) -> None:
    await party.create()
    ann, bob = await _two(party)
    bob.peer.answers_pings = False
    newer = await party.connect()
    await newer.say(join("device-2", "Bob"))
    await party.quiet(newer)
    await bob.peer.hang_up(1006)
    back = Guest(newer, await newer.receive(), await newer.receive())
    assert back.id == bob.id
    assert (await ann.peer.receive())["type"] == "member_joined"
    await party.quiet(ann.peer)


@flow
async def test_a_newer_challenger_replaces_an_older_one(party: Party) -> None:
    await party.create()
    _, bob = await _two(party)
    bob.peer.answers_pings = False
    second = await party.connect()
    await second.say(join("device-2", "Bob"))
    await party.quiet(second)
    third = await party.connect()
    await third.say(join("device-2", "Bob"))
    assert (await second.receive())["code"] == "already_joined"
    await party.quiet(third)
    await party.pass_time(2.1)
    assert (await third.receive())["clientId"] == bob.id


@flow
async def test_a_challenger_that_gives_up_changes_nothing(party: Party) -> None:
    await party.create()
    ann, bob = await _two(party)
    bob.peer.answers_pings = False
    newer = await party.connect()
    await newer.say(join("device-2", "Bob"))
    await party.quiet(newer)
    await newer.hang_up(1006)
    politer = await party.connect()
    await politer.say(join("device-2", "Bob"))
    await party.quiet(politer)
    await politer.hang_up(1000)
    await party.pass_time(2.1)
    await party.quiet(ann.peer, bob.peer)
    await bob.peer.say({"type": "leave"})
    assert (await ann.peer.receive())["reason"] == "left"
    again = await party.join("device-2", "Bob")
    assert again.id != bob.id, "nobody was left on the seat"


@flow
async def test_an_impatient_challenger_still_gets_the_seat(party: Party) -> None:
    await party.create()
    _, bob = await _two(party)
    bob.peer.answers_pings = False
    newer = await party.connect()
    await newer.say(join("device-2", "Bob"))
    await newer.say(join("device-2", "Bob"))
    assert (await newer.receive())["code"] == "already_joined"
    await party.pass_time(2.1)
    assert (await newer.receive())["clientId"] == bob.id


@flow
async def test_a_page_that_closes_while_its_successor_waits_hands_over(
    party: Party,
) -> None:
    """The old page's goodbye is no sign of life: the newer one is seated."""
    await party.create()
    ann = await party.join("device-1", "Ann")
    for code in (1001, 1000, 4000):
        bob = await party.join("device-2", "Bob")
        assert (await ann.peer.receive())["type"] == "member_joined"
        bob.peer.answers_pings = False
        newer = await party.connect()
        await newer.say(join("device-2", "Bob"))
        await party.quiet(newer)
        await bob.peer.hang_up(code)
        back = Guest(newer, await newer.receive(), await newer.receive())
        assert back.id == bob.id
        assert (await ann.peer.receive())["type"] == "member_joined"
        await newer.say({"type": "leave"})
        await newer.closed()
        assert (await ann.peer.receive())["type"] == "member_left"
    await party.quiet(ann.peer)
