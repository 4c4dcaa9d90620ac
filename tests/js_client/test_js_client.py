"""The JavaScript client's own tests run in Node.js, against the real server."""

import asyncio
import os
import re
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "clients/js"

TOOLS = Path(sys.executable).parent
"""Node.js is one of the dev packages."""

LEAST = 50


async def test_its_own_tests_pass() -> None:
    node = await asyncio.create_subprocess_exec(
        TOOLS / "node",
        "--test",
        "--test-reporter=tap",
        "test/*.test.js",
        cwd=CLIENT,
        env={
            **os.environ,
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "LOUDSYNC_PYTHON": sys.executable,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await node.communicate()
    text = out.decode()
    assert node.returncode == 0, text
    passed = re.search(r"^# pass (\d+)$", text, re.MULTILINE)
    assert passed is not None, text
    assert int(passed[1]) >= LEAST
    assert "# skipped 0" in text
