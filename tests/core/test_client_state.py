"""A client's connection states: the table, and when there is another attempt."""

from collections.abc import Callable

import pytest

from loudsync.core import CLIENT_TRANSITIONS, ENDING_CODES, ClientState, ClientTrigger
from loudsync.protocol import RECONNECT_ATTEMPTS, ConnectionState, ErrorCode


def a_client(*, max_attempts: int = RECONNECT_ATTEMPTS) -> ClientState:
    return ClientState(max_attempts)


def connecting(**options: int) -> ClientState:
    client = a_client(**options)
    client.connect()
    return client


def connected(**options: int) -> ClientState:
    client = connecting(**options)
    client.welcomed()
    return client


def reconnecting() -> ClientState:
    client = connected()
    client.lost()
    return client


def failed() -> ClientState:
    client = connected(max_attempts=0)
    client.lost()
    return client


STATES: dict[ConnectionState, Callable[[], ClientState]] = {
    ConnectionState.DISCONNECTED: a_client,
    ConnectionState.CONNECTING: connecting,
    ConnectionState.CONNECTED: connected,
    ConnectionState.RECONNECTING: reconnecting,
    ConnectionState.FAILED: failed,
}


def exhausted(client: ClientState) -> ClientState:
    client.attempt = client.max_attempts
    return client


CALLS: dict[ClientTrigger, Callable[[ClientState], object]] = {
    ClientTrigger.CONNECT: ClientState.connect,
    ClientTrigger.WELCOME: ClientState.welcomed,
    ClientTrigger.ENDED: ClientState.ended,
    ClientTrigger.LOST: ClientState.lost,
    ClientTrigger.GIVEN_UP: lambda client: exhausted(client).lost(),
}


@pytest.mark.parametrize("before", STATES)
def test_every_state_of_the_specification_can_be_reached(
    before: ConnectionState,
) -> None:
    assert STATES[before]().state is before


@pytest.mark.parametrize(("before", "trigger"), CLIENT_TRANSITIONS)
def test_every_row_of_the_table_happens(
    before: ConnectionState, trigger: ClientTrigger
) -> None:
    client = STATES[before]()
    CALLS[trigger](client)
    assert client.state is CLIENT_TRANSITIONS[before, trigger]


@pytest.mark.parametrize(
    ("before", "call"),
    [
        (ConnectionState.CONNECTING, ClientTrigger.CONNECT),
        (ConnectionState.CONNECTED, ClientTrigger.CONNECT),
        (ConnectionState.RECONNECTING, ClientTrigger.CONNECT),
        (ConnectionState.DISCONNECTED, ClientTrigger.WELCOME),
        (ConnectionState.CONNECTED, ClientTrigger.WELCOME),
        (ConnectionState.FAILED, ClientTrigger.WELCOME),
        (ConnectionState.FAILED, ClientTrigger.ENDED),
        (ConnectionState.DISCONNECTED, ClientTrigger.LOST),
        (ConnectionState.FAILED, ClientTrigger.LOST),
    ],
)
def test_what_is_not_in_the_table_is_an_error_that_changes_nothing(
    before: ConnectionState, call: ClientTrigger
) -> None:
    client = STATES[before]()
    attempt = client.attempt
    with pytest.raises(KeyError):
        CALLS[call](client)
    assert (client.state, client.attempt) == (before, attempt)


def test_a_client_tries_three_times_to_come_back_and_then_gives_up() -> None:
    client = connected()
    seen = [(client.lost(), client.attempt, client.state) for _ in range(4)]
    assert seen == [
        (True, 1, ConnectionState.RECONNECTING),
        (True, 2, ConnectionState.RECONNECTING),
        (True, 3, ConnectionState.RECONNECTING),
        (False, 3, ConnectionState.FAILED),
    ]


def test_attempts_are_counted_afresh_after_each_success() -> None:
    client = connected()
    for _ in range(3):
        assert client.lost()
    client.welcomed()
    assert client.attempt == 0
    assert [client.lost() for _ in range(4)] == [True, True, True, False]


def test_a_first_attempt_that_fails_is_not_repeated() -> None:
    client = connecting()
    assert client.lost() is False
    assert client.state is ConnectionState.DISCONNECTED
    assert client.attempt == 0


def test_without_attempts_a_lost_connection_is_the_end() -> None:
    client = connected(max_attempts=0)
    assert client.lost() is False
    assert client.state is ConnectionState.FAILED


def test_an_end_while_reconnecting_leaves_no_attempt_behind() -> None:
    client = reconnecting()
    client.ended()
    assert (client.state, client.attempt) == (ConnectionState.DISCONNECTED, 0)


def test_an_end_while_disconnected_changes_nothing() -> None:
    client = a_client()
    client.ended()
    assert client.state is ConnectionState.DISCONNECTED


def test_a_client_that_failed_may_be_connected_again() -> None:
    client = failed()
    client.connect()
    client.welcomed()
    assert (client.state, client.attempt) == (ConnectionState.CONNECTED, 0)


def test_only_refusals_that_may_pass_are_tried_again() -> None:
    assert set(ErrorCode) - ENDING_CODES == {
        ErrorCode.ALREADY_JOINED,
        ErrorCode.SESSION_FULL,
    }
