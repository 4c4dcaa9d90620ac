from typing import Any

import pytest

import loudsync.client
from loudsync.client import ClientSettings, join
from loudsync.errors import InvalidSetting, NotConnected
from loudsync.protocol import ConnectionState

URL = "ws://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"session_id": None}, "session_id"),
        ({"session_id": ""}, "session_id"),
        ({"session_id": "x" * 65}, "session_id"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"device_id": ""}, "device_id"),
        ({"device_id": "x" * 129}, "device_id"),
        ({"token": ""}, "token"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], name: str) -> None:
    right: dict[str, Any] = {"url": URL, "session_id": "abc123", "name": "Sara"}
    with pytest.raises(InvalidSetting) as caught:
        join(**(right | arguments))
    assert caught.value.name == name


def test_limits_are_inclusive() -> None:
    client = join(URL, session_id="x" * 64, name="n" * 64, device_id="d" * 128)
    assert client.device_id == "d" * 128


def test_device_ids_are_128_random_bits() -> None:
    ids = {join(URL, session_id="abc123", name="Sara").device_id for _ in range(50)}
    assert len(ids) == 50
    assert all(len(bytes.fromhex(device_id)) == 16 for device_id in ids)


async def test_before_joining() -> None:
    client = join(URL, session_id="abc123", name="Sara")
    assert client.state is ConnectionState.DISCONNECTED
    assert dict(client.members) == {}
    assert client.me is None
    assert client.latency_ms is None
    assert not client.is_host
    with pytest.raises(NotConnected):
        _ = client.client_id
    with pytest.raises(NotConnected):
        _ = client.session
    with pytest.raises(NotConnected, match="async with"):
        await anext(client)
    for call in (client.leave, client.request_members, client.close_session):
        with pytest.raises(NotConnected):
            await call()
    with pytest.raises(NotConnected):
        await client.kick("client-2")


@pytest.mark.parametrize("reason", ["x" * 257, "a\x1b[2J", "\ud800"])
async def test_reasons_are_checked_first(reason: str) -> None:
    client = join(URL, session_id="abc123", name="Sara")
    with pytest.raises(InvalidSetting) as caught:
        await client.leave(reason)
    assert caught.value.name == "reason"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heartbeat_interval_s", 0),
        ("heartbeat_interval_s", float("nan")),
        ("heartbeat_interval_s", 15.0),
        ("heartbeat_timeout_s", float("inf")),
        ("heartbeat_timeout_s", 5.0),
        ("connection_timeout_s", -1),
        ("reconnect_delay_s", -0.1),
        ("reconnect_delay_s", float("nan")),
        ("reconnect_spread", -0.01),
        ("reconnect_spread", 1.01),
        ("reconnect_spread", float("nan")),
        ("reconnect_attempts", -1),
        ("max_queued_events", 1),
        ("max_message_bytes", 1_023),
    ],
)
def test_settings_out_of_range(name: str, value: float) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(InvalidSetting):
        ClientSettings(**changed)


def test_settings_at_their_limits() -> None:
    ClientSettings(
        reconnect_attempts=0,
        reconnect_delay_s=0,
        reconnect_spread=1,
        max_queued_events=2,
        max_message_bytes=1_024,
    )


def test_everything_public_is_exported() -> None:
    assert all(hasattr(loudsync.client, name) for name in loudsync.client.__all__)
