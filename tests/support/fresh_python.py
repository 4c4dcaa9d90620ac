"""Code in an interpreter of its own: what it loads, and nothing before it."""

import subprocess
import sys

_TELL = """
import sys
print(*sys.modules, file=sys.__stdout__)
"""


def loaded_by(code: str) -> set[str]:
    """Run code, which must not print; return the modules there are then."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + _TELL],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
