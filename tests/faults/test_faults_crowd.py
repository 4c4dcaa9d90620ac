"""A whole crowd loses its network in one instant, and comes back."""

import asyncio
from collections.abc import Callable

import pytest

import loudsync
from followed_client import followed
from loudsync import HostedSession, SessionServer
from loudsync.testing import FaultProxy
from raw_peer import until
from same_views import check_same_views

SIZE = 200

Figure = Callable[[str, float], None]


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_two_hundred_cut_at_once_are_all_back_on_their_seats(
    server: SessionServer,
    session: HostedSession,
    proxy: FaultProxy,
    figure: Figure,
) -> None:
    clients = [
        loudsync.join(proxy.url, session_id=session.id, name=f"Guest {number}")
        for number in range(SIZE)
    ]
    async with followed(clients) as crowd:
        await until(lambda: all(len(one.members) == SIZE + 1 for one in crowd))
        cut_s = asyncio.get_running_loop().time()
        proxy.reset()
        await until(lambda: all(one.returns == 1 for one in crowd))
        back_s = sorted(one.connected_s[-1] - cut_s for one in crowd)
        figure("first_back_s", back_s[0])
        figure("all_back_s", back_s[-1])
        assert all(one.has_its_seat for one in crowd)
        assert len({one.id for one in crowd}) == SIZE
        assert all(one.left == [] for one in crowd)
        await check_same_views(server.port, session, crowd)
    assert server.stats.joins == 2 * SIZE + 1
