"""Who hosts: the token is kept as a hash only, and only the right one is right."""

import hashlib

import pytest

from core_builders import TOKEN, a_session, a_spec
from loudsync.core import hash_token
from loudsync.core.host import token_matches


def test_what_is_kept_of_a_token_is_its_sha256() -> None:
    assert hash_token("secret") == hashlib.sha256(b"secret").digest()


def test_a_session_with_a_remote_host_does_not_keep_the_token_itself() -> None:
    assert TOKEN not in repr(a_spec(remote_host=True))


def test_the_right_token_matches() -> None:
    assert token_matches("secret", hash_token("secret"))


@pytest.mark.parametrize("token", ["", "Secret", "secret ", "secre", "secrets"])
def test_any_other_token_does_not(token: str) -> None:
    assert not token_matches(token, hash_token("secret"))


@pytest.mark.parametrize("token", ["", "secret", "\x00" * 32])
def test_no_token_is_right_where_the_host_is_the_servers_own_process(
    token: str,
) -> None:
    assert not token_matches(token, None)


def test_no_token_at_all_is_wrong_even_if_it_was_hashed_by_mistake() -> None:
    assert not token_matches("", hash_token(""))


def test_a_token_that_is_no_valid_unicode_is_just_wrong() -> None:
    assert not token_matches("\ud800", hash_token("secret"))


def test_a_session_knows_its_hosts_token() -> None:
    session = a_session(remote_host=True)
    assert session.is_host_token(TOKEN)
    assert not session.is_host_token(TOKEN + "x")


def test_a_session_hosted_by_this_process_has_no_token() -> None:
    assert not a_session().is_host_token(TOKEN)
