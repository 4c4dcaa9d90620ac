"""A server is killed under 500 members and started again on its state file."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

import loudsync
from cli_process import listening_at, serve
from followed_client import FollowedClient, followed
from loudsync import LeaveReason
from loudsync.core.events import StateChanged
from loudsync.server.file_limit import FileLimit
from loudsync.testing import FaultProxy
from raw_peer import until
from same_views import check_same_views
from seated_peer import SeatedPeer

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="no signals between processes there"
)

SIZES = [100] + [8] * 50
"""Members of each session, hosts included: 500."""

GHOSTS_IN = {0: 3, 1: 1, 2: 1}
"""Of sessions by number, how many more there are who never come back."""

TIMEOUT_S = 8
"""Of HEARTBEAT, and of seats that wait. Every attempt of a client ends sooner
after the start than this, by 5 s or more: no member races with it."""

Figure = Callable[[str, float], None]


class Party(NamedTuple):
    """A session and the members who come back."""

    code: str
    crowd: Collection[FollowedClient]
    ghosts: set[str]


async def open_session(url: str, size: int) -> tuple[str, str]:
    """Return the new session's code and its host's token."""
    body = {"name": "Party", "maxMembers": size + max(GHOSTS_IN.values()) + 1}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/sessions", json=body) as answer,
    ):
        made = await answer.json()
        return made["id"], made["hostToken"]


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_five_hundred_are_back_within_their_three_attempts(
    tmp_path: Path, figure: Figure
) -> None:
    FileLimit()  # raises this process's own file limit
    loop = asyncio.get_running_loop()
    state = tmp_path / "parties.state"
    options = ("--heartbeat-timeout", str(TIMEOUT_S), "--heartbeat-check", "1")
    with serve(state, *options) as first:
        url, port = await asyncio.to_thread(listening_at, first)
        async with FaultProxy(port) as proxy:
            clients = []
            codes = []
            for number, size in enumerate(SIZES):
                code, token = await open_session(url, size)
                codes.append(code)
                clients += [
                    loudsync.join(
                        proxy.url,
                        session_id=code,
                        name=f"Member {number}.{seat}",
                        token=token if seat == 0 else None,
                    )
                    for seat in range(size)
                ]
            async with followed(clients) as everybody:
                parties = [
                    Party(
                        code,
                        [one for one in everybody if one.session_id == code],
                        set(),
                    )
                    for code in codes
                ]
                for number, count in GHOSTS_IN.items():
                    for ghost in range(count):
                        peer = await SeatedPeer.join(
                            port, codes[number], f"ghost {ghost}", "Ghost"
                        )
                        parties[number].ghosts.add(peer.id)
                        await peer.raw.gone()
                await until(lambda: all(map(is_complete, parties)))

                first.send(signal.SIGKILL)
                killed_s = loop.time()
                assert await asyncio.to_thread(first.wait) == -signal.SIGKILL
                with serve(state, *options, port=port) as second:
                    await asyncio.to_thread(listening_at, second)
                    figure("server_up_s", loop.time() - killed_s)
                    await until(lambda: all(one.returns == 1 for one in everybody))
                    note_returns(everybody, killed_s, figure)
                    assert all(one.has_its_seat for one in everybody)
                    await until(lambda: all(map(is_rid_of_ghosts, parties)))
                    figure("ghosts_gone_s", loop.time() - killed_s)
                    async with asyncio.TaskGroup() as checks:
                        for party in parties:
                            checks.create_task(
                                check_same_views(port, party.code, party.crowd)
                            )
                    assert "Traceback" not in second.errors


def is_complete(party: Party) -> bool:
    """Whether everybody sees everybody."""
    size = len(party.crowd) + len(party.ghosts)
    return all(len(one.members) == size for one in party.crowd)


def is_rid_of_ghosts(party: Party) -> bool:
    """Whether everybody was told that the ghosts, and only they, timed out."""
    told = [{left.member.id: left.reason for left in one.left} for one in party.crowd]
    right = dict.fromkeys(party.ghosts, LeaveReason.TIMEOUT)
    assert all(it.items() <= right.items() for it in told), "nobody else has left"
    return all(it == right for it in told)


def note_returns(
    everybody: Collection[FollowedClient], killed_s: float, figure: Figure
) -> None:
    """Note how soon and how spread they came, and on which attempt."""
    back_s = sorted(one.connected_s[-1] - killed_s for one in everybody)
    figure("first_back_s", back_s[0])
    figure("half_back_s", back_s[len(back_s) // 2])
    figure("all_back_s", back_s[-1])
    tenths = Counter(int(10 * it) for it in back_s)
    figure("most_back_in_a_tenth_of_a_second", max(tenths.values()))
    attempts = [
        max(it.attempt for it in one.events if isinstance(it, StateChanged))
        for one in everybody
    ]
    figure("most_attempts", max(attempts))
