"""What ``server/picows_protocol.py`` and ``server/websocket.py`` rely on in picows.

The protocol class is not picows' public API. When a new minor version is
allowed in ``pyproject.toml``, this file says what to look at first.
"""

import logging
from importlib.metadata import requires, version

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not public


def test_picows_is_pinned_to_the_minor_version_that_was_looked_at() -> None:
    bounds = [line for line in requires("loudsync") or [] if line.startswith("picows")]
    assert bounds == ["picows<2.4,>=2.3"]
    assert version("picows").startswith("2.3.")


async def test_the_constructor_takes_what_we_give_it() -> None:
    """We give it by position; these are the names of the places."""
    WSProtocol(
        host_port=None,
        ws_path=None,
        is_client_side=False,
        ws_listener_factory=WSListener,
        logger=logging.getLogger("test"),
        disconnect_on_exception=True,
        websocket_handshake_timeout=None,
        enable_auto_ping=False,
        auto_ping_idle_timeout=1,
        auto_ping_reply_timeout=1,
        auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
        enable_auto_pong=False,
        max_frame_size=1000,
        extra_headers=None,
        read_buffer_init_size=2048,
    )


def test_the_parts_we_call_are_there() -> None:
    for name in ("get_buffer", "buffer_updated", "connection_made", "connection_lost"):
        assert callable(getattr(WSProtocol, name))
    for name in ("disconnect", "underlying_transport"):
        assert hasattr(WSTransport, name)
    for name in ("on_ws_connected", "on_ws_frame", "on_ws_disconnected"):
        assert hasattr(WSListener, name)
    for name in (
        "rsv1",
        "rsv2",
        "rsv3",
        "fin",
        "msg_type",
        "payload_size",
        "tail_size",
    ):
        assert hasattr(WSFrame, name)
    assert {kind.value for kind in WSMsgType} == {0x0, 0x1, 0x2, 0x8, 0x9, 0xA}
