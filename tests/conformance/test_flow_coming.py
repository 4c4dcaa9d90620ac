"""Coming in: JOIN, WELCOME, MEMBER_LIST, MEMBER_JOINED (specification, "1. JOIN")."""

from stage import Party, flow, join


@flow
async def test_successful_join(party: Party) -> None:
    """The specification's "Successful Join Flow"."""
    await party.create(name="Rishad's Party")
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")

    assert ann.welcome["sessionInfo"] == {
        "id": "abc123",
        "name": "Rishad's Party",
        "hostId": ann.members[0]["id"],
    }
    assert [member["name"] for member in ann.members] == ["Host", "Ann"]
    assert [member["isHost"] for member in ann.members] == [True, False]
    assert [member["name"] for member in bob.members] == ["Host", "Ann", "Bob"]
    joined = await ann.peer.receive()
    assert joined["type"] == "member_joined"
    assert joined["member"] == bob.me
    assert bob.me["connectionStatus"] == "connected"
    assert ann.id != bob.id
    await party.quiet(ann.peer, bob.peer)


@flow
async def test_every_message_has_its_type_and_the_servers_time(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    assert isinstance(ann.welcome["timestamp"], int)
    assert ann.me["joinedAt"] == ann.welcome["timestamp"]
    assert "latency" not in ann.me


@flow
async def test_device_ids_are_told_to_nobody(party: Party) -> None:
    await party.create()
    ann = await party.join("secret-device-1", "Ann")
    bob = await party.join("secret-device-2", "Bob")
    told = [ann.welcome, ann.members, bob.welcome, bob.members]
    told.append(await ann.peer.receive())
    assert "secret-device" not in repr(told)


@flow
async def test_names_are_trimmed_and_otherwise_left_as_they_are(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1", "  <b>Ann</b> 👩‍🚀 ")
    assert ann.me["name"] == "<b>Ann</b> 👩‍🚀"


@flow
async def test_unknown_fields_are_ignored(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1", future={"a": [1]}, version="1.7")
    await ann.peer.say({"type": "ping", "timestamp": 5, "extra": None})
    assert await ann.peer.receive() == {"type": "pong", "timestamp": 5}


@flow
async def test_pong_carries_the_pings_number_unchanged(party: Party) -> None:
    await party.create()
    peer = await party.connect()  # before it has joined it may ping too
    for number in ("1706889650000", "1706889650000.5", "1.0", "-3", "0"):
        await peer.say_text(f'{{"type":"ping","timestamp":{number}}}')
        pong = await peer.receive()
        assert pong["type"] == "pong"
        assert repr(pong["timestamp"]) == number


@flow
async def test_heartbeat_has_no_answer(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1")
    await ann.peer.say({"type": "heartbeat"})
    await party.quiet(ann.peer)


@flow
async def test_every_member_may_ask_for_the_list(party: Party) -> None:
    await party.create()
    ann = await party.join("device-1", "Ann")
    bob = await party.join("device-2", "Bob")
    await bob.peer.say({"type": "member_list"})
    answer = await bob.peer.receive()
    assert answer["type"] == "member_list"
    assert [member["name"] for member in answer["members"]] == ["Host", "Ann", "Bob"]
    assert (await ann.peer.receive())["type"] == "member_joined"
    await party.quiet(ann.peer, bob.peer)


@flow
async def test_the_server_measures_everybodys_latency(party: Party) -> None:
    """Contract, section 3: right after the join, then riding on a heartbeat."""
    await party.create()
    ann = await party.join("device-1")
    await party.quiet(ann.peer)
    await ann.peer.say({"type": "member_list"})
    mine = (await ann.peer.receive())["members"][1]
    assert isinstance(mine["latency"], int)
    assert mine["latency"] >= 0


@flow
async def test_latency_is_absent_where_no_ping_was_answered(party: Party) -> None:
    await party.create()
    peer = await party.connect()
    peer.answers_pings = False
    await peer.say(join("device-1"))
    await peer.receive()
    await peer.receive()
    await peer.say({"type": "heartbeat"})
    await peer.say({"type": "member_list"})
    assert "latency" not in (await peer.receive())["members"][1]


@flow
async def test_sessions_know_nothing_of_each_other(party: Party) -> None:
    await party.create("one")
    await party.create("two")
    ann = await party.join("device-1", "Ann", "one")
    bob = await party.join("device-1", "Bob", "two")
    assert [member["name"] for member in bob.members] == ["Host", "Bob"]
    await party.quiet(ann.peer, bob.peer)
