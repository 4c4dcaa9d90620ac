"""The host: token, seat, loss (contract, section 4)."""

from stage import TOKEN, Party, flow, flow_with, join


@flow
async def test_the_remote_hosts_seat_is_there_before_the_host(party: Party) -> None:
    await party.create(remote=True)
    ann = await party.join("device-1", "Ann")
    assert ann.members[0]["isHost"] is True
    assert ann.members[0]["connectionStatus"] == "disconnected"
    host = await party.join("host-device", "Rishad's MacBook", token=TOKEN)
    assert host.id == ann.members[0]["id"] == ann.welcome["sessionInfo"]["hostId"]
    joined = (await ann.peer.receive())["member"]
    assert joined == host.members[0]
    assert joined["name"] == "Rishad's MacBook"
    assert joined["connectionStatus"] == "connected"
    assert joined["joinedAt"] == ann.members[0]["joinedAt"]


@flow
async def test_the_hosts_seat_counts(party: Party) -> None:
    await party.create(remote=True, max_members=2)
    await party.join("device-1")
    second = await party.connect()
    await second.say(join("device-2"))
    assert (await second.receive())["code"] == "session_full"
    host = await party.join("host-device", "Host", token=TOKEN)
    assert len(host.members) == 2


@flow
async def test_no_host_without_the_token(party: Party) -> None:
    await party.create(remote=True)
    peer = await party.connect()
    for token in ("", "wrong", TOKEN + " "):
        await peer.say(join("host-device", "Host", token=token))
        assert (await peer.receive())["code"] == "unauthorized"


@flow
async def test_a_host_in_the_server_needs_no_socket_and_shares_no_seat(
    party: Party,
) -> None:
    await party.create(remote=False)
    ann = await party.join("device-1")
    assert ann.members[0]["connectionStatus"] == "connected"
    peer = await party.connect()
    await peer.say(join("host-device", "Host", token=TOKEN))
    assert (await peer.receive())["code"] == "unauthorized"


@flow
async def test_only_the_host_kicks_and_closes(party: Party) -> None:
    await party.create(remote=True)
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await ann.peer.receive()
    for request in ({"type": "kicked", "memberId": bob.id}, {"type": "session_closed"}):
        await ann.peer.say(request)
        assert (await ann.peer.receive())["code"] == "unauthorized"
    await party.quiet(ann.peer, bob.peer)


@flow
async def test_a_kick_must_name_a_guest(party: Party) -> None:
    await party.create(remote=True)
    host = await party.join("host-device", "Host", token=TOKEN)
    for member_id in ("client-404", host.id):
        await host.peer.say({"type": "kicked", "memberId": member_id})
        refused = await host.peer.receive()
        assert refused["code"] == "invalid_message"
        assert refused["details"]["path"] == "$.memberId"
    await party.quiet(host.peer)


@flow
async def test_the_hosts_leave_closes_the_session(party: Party) -> None:
    await party.create(remote=True)
    host = await party.join("host-device", "Host", token=TOKEN)
    ann = await party.join("device-1")
    await host.peer.receive()
    await host.peer.say({"type": "leave"})
    for guest in (host, ann):
        closed = await guest.peer.receive()
        assert closed["type"] == "session_closed"
        assert closed["reason"] == "Host ended the session"
        assert await guest.peer.closed() == 1000


@flow
async def test_a_host_that_reloads_its_page_is_still_the_host(party: Party) -> None:
    await party.create(remote=True)
    host = await party.join("host-device", "Host", token=TOKEN)
    ann = await party.join("device-1")
    await host.peer.hang_up(1001)
    told = await ann.peer.receive()
    assert told["members"][0]["connectionStatus"] == "reconnecting"
    again = await party.join("host-device", "Host", token=TOKEN)
    assert again.id == host.id
    await again.peer.say({"type": "kicked", "memberId": ann.id})
    assert (await ann.peer.receive())["type"] == "member_joined"
    assert (await ann.peer.receive())["type"] == "kicked"


@flow_with(heartbeat_check_s=0.1)
async def test_a_host_that_stays_away_closes_the_session(party: Party) -> None:
    await party.create(remote=True)
    host = await party.join("host-device", "Host", token=TOKEN)
    ann = await party.join("device-1")
    await host.peer.hang_up(1006)
    assert (await ann.peer.receive())["type"] == "member_list"
    for _ in range(3):
        await party.beat(ann.peer)
        await party.pass_time(5.1)
    closed = await ann.peer.receive()
    assert closed["type"] == "session_closed"
    assert closed["reason"] == "Host connection lost"
    assert await ann.peer.closed() == 1000


@flow_with(heartbeat_check_s=0.1)
async def test_a_silent_host_closes_the_session(party: Party) -> None:
    await party.create(remote=True)
    host = await party.join("host-device", "Host", token=TOKEN)
    ann = await party.join("device-1")
    await host.peer.receive()
    for _ in range(3):
        await party.beat(ann.peer)
        await party.pass_time(5.1)
    closed = await ann.peer.receive()
    assert closed["reason"] == "Host connection lost"
    assert (await host.peer.receive())["type"] == "session_closed"
    assert await host.peer.closed() == 1000


@flow
async def test_an_empty_session_waits_60_s_for_its_host(party: Party) -> None:
    await party.create(remote=True)
    await party.pass_time(59)
    peer = await party.connect()
    await peer.say(join("device-1", session_id="nobody"))
    assert (await peer.receive())["code"] == "session_not_found"
    await party.pass_time(5)
    await peer.say(join("device-1"))
    assert (await peer.receive())["code"] == "session_not_found"


@flow
async def test_a_session_with_guests_waits_10_min_for_its_host(party: Party) -> None:
    await party.create(remote=True)
    ann = await party.join("device-1")
    for _ in range(119):
        await party.pass_time(5)
        await party.beat(ann.peer)
    await party.pass_time(5)
    closed = await ann.peer.receive()
    assert (closed["type"], closed["reason"]) == ("session_closed", "Host never came")
    assert await ann.peer.closed() == 1000


@flow
async def test_the_last_guest_takes_a_late_hosts_chance_along(party: Party) -> None:
    await party.create(remote=True)
    ann = await party.join("device-1")
    for _ in range(13):
        await party.pass_time(5)
        await party.beat(ann.peer)
    await ann.peer.say({"type": "leave"})
    assert await ann.peer.closed() == 1000
    await party.pass_time(5)
    peer = await party.connect()
    await peer.say(join("device-1"))
    assert (await peer.receive())["code"] == "session_not_found"


@flow
async def test_a_device_holds_one_kind_of_seat(party: Party) -> None:
    await party.create(remote=True)
    await party.join("device-1", "Ann")
    await party.join("host-device", "Host", token=TOKEN)
    peer = await party.connect()
    await peer.say(join("device-1", "Ann", token=TOKEN))
    assert (await peer.receive())["code"] == "already_joined"
    await peer.say(join("host-device", "Host"))
    assert (await peer.receive())["code"] == "already_joined"
