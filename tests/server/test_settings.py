"""Every number is the contract's, and a wrong one is named."""

from typing import Any

import msgspec
import pytest

from loudsync import ServerSettings, SessionServer
from loudsync.core import NS_PER_S
from loudsync.errors import InvalidSetting, LoudSyncError
from loudsync.server import DEFAULT_MAX_MEMBERS, DEFAULT_PORT, MAX_MEMBERS

DEFAULTS = {
    # Section 5: staying and coming back.
    "heartbeat_timeout_s": 15,
    "heartbeat_check_s": 5,
    "takeover_wait_s": 2,
    # Section 3: "right after the join, then about every 15 s".
    "latency_interval_s": 15,
    # Section 2: connections and frames.
    "join_timeout_s": 15,
    "max_refused_joins": 10,
    "max_message_bytes": 16 * 1024,
    # Section 4: the host.
    "host_wait_s": 60,
    "host_wait_max_s": 10 * 60,
    # Section 7: limits.
    "max_message_rate": 50,
    "max_message_burst": 100,
    "invalid_message_cost": 5,
    "max_head_bytes": 16 * 1024,
    "head_timeout_s": 5,
    "max_outgoing_bytes": 256 * 1024,
    "max_sessions": 10_000,
    "max_connections": 0,
    # Not the contract's.
    "max_connections_per_address": 0,
    "max_guesses_per_address": 100,
    "http_timeout_s": 30,
    "shutdown_grace_s": 2,
    "public_url": "",
    "allowed_origins": (),
    "trusted_proxies": (),
    "api_key": "",
}

MAY_BE_ZERO = {
    "max_message_rate",
    "max_connections",
    "max_connections_per_address",
    "max_guesses_per_address",
    "shutdown_grace_s",
}
TEXTS = {"public_url", "api_key", "allowed_origins", "trusted_proxies"}
NUMBERS = sorted(DEFAULTS.keys() - TEXTS)


def changed(name: str, value: object) -> ServerSettings:
    change: dict[str, Any] = {name: value}
    return ServerSettings(**change)


def test_the_defaults_are_the_contracts() -> None:
    assert msgspec.structs.asdict(ServerSettings()) == DEFAULTS
    assert (DEFAULT_MAX_MEMBERS, MAX_MEMBERS, DEFAULT_PORT) == (10, 10_000, 8080)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, -0.001])
def test_nothing_is_negative(name: str, value: float) -> None:
    with pytest.raises(InvalidSetting) as caught:
        changed(name, value)
    assert caught.value.name == name
    assert str(caught.value).startswith(f"{name} must be ")


@pytest.mark.parametrize("name", NUMBERS)
def test_what_may_be_0(name: str) -> None:
    if name in MAY_BE_ZERO:
        assert getattr(changed(name, 0), name) == 0
    else:
        with pytest.raises(InvalidSetting, match=f"{name} must be more than 0"):
            changed(name, 0)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nothing_is_endless(name: str, value: float) -> None:
    with pytest.raises(InvalidSetting) as caught:
        changed(name, value)
    assert caught.value.name == name


def test_silence_is_looked_for_at_least_once_a_timeout() -> None:
    ServerSettings(heartbeat_timeout_s=3, heartbeat_check_s=3)
    with pytest.raises(InvalidSetting) as caught:
        ServerSettings(heartbeat_timeout_s=3, heartbeat_check_s=3.1)
    assert caught.value.name == "heartbeat_check_s"


def test_a_wrong_setting_is_caught_as_either_kind() -> None:
    with pytest.raises(LoudSyncError):
        ServerSettings(max_sessions=0)
    with pytest.raises(ValueError, match="max_sessions"):
        ServerSettings(max_sessions=0)


def test_a_wrong_public_url_is_caught_before_the_start() -> None:
    with pytest.raises(InvalidSetting) as caught:
        SessionServer(settings=ServerSettings(public_url="party.example"))
    assert caught.value.name == "public_url"


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        ServerSettings().max_sessions = 5  # type: ignore[misc]


def test_the_rules_get_their_share_in_nanoseconds() -> None:
    settings = ServerSettings(
        heartbeat_timeout_s=7.5, host_wait_s=0.5, host_wait_max_s=90
    )
    assert settings.rules.heartbeat_timeout_ns == 7.5 * NS_PER_S
    assert settings.rules.host_wait_ns == 0.5 * NS_PER_S
    assert settings.rules.host_wait_max_ns == 90 * NS_PER_S
