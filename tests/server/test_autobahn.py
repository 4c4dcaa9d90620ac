"""Autobahn's cases against our frames: RFC 6455, as others test it.

Left out are 9.* (large messages and speed: a benchmark has that) and 12.* and
13.* (compression, which the contract does not need).
"""

import asyncio
import re
import sys

from kosoku import FailureError, run_fuzzingclient

from loudsync.testing import EchoServer
from raw_peer import PATIENCE_S

LEFT_OUT = ["9.*", "12.*", "13.*"]
CASES = 247
AT_ONCE = 8

ACCEPTED_CLOSE = {"OK", "INFORMATIONAL"}


async def verdicts(port: int) -> dict[str, tuple[str, str]]:
    """Run the cases; by case, how the peer behaved and how it closed."""
    try:
        results = await run_fuzzingclient(
            f"ws://127.0.0.1:{port}", exclude_cases=LEFT_OUT, concurrency=AT_ONCE
        )
    except FailureError as failure:
        results = failure.results
    return {
        result.case_id: (result.behavior.value, result.behavior_close.value)
        for result in results
    }


def check(verdicts: dict[str, tuple[str, str]]) -> None:
    assert len(verdicts) == CASES
    not_ok = {
        case: (behaviour, close)
        for case, (behaviour, close) in verdicts.items()
        # 7.1.6, 7.13.* and the like ask for what RFC 6455 leaves open.
        if behaviour not in {"OK", "INFORMATIONAL"} or close not in ACCEPTED_CLOSE
    }
    assert not_ok == {}
    strict = [case for case in verdicts if case.startswith("6.4.")]
    assert len(strict) == 4
    assert {verdicts[case][0] for case in strict} == {"OK"}


async def test_no_case_fails() -> None:
    async with EchoServer() as echo:
        check(await verdicts(echo.port))


async def test_the_echo_is_a_program_too() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loudsync.testing.echo", "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        port = re.fullmatch(rb"Echoing at ws://127.0.0.1:(\d+)\n", line)
        assert port is not None, line
        results = await run_fuzzingclient(
            f"ws://127.0.0.1:{int(port[1])}", cases=["1.1.*"]
        )
        assert {result.behavior.value for result in results} == {"OK"}
    finally:
        process.terminate()
        await process.wait()
