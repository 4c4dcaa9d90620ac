"""How many guests the system's limit on open files leaves room for."""

import sys
from typing import Final

from loudsync.doctor.finding import Finding, ok, problem
from loudsync.server.file_limit import FileLimit

_CHECK: Final = "file-limit"

KEPT_BACK: Final = 64
"""What the server keeps for itself (``server.file_limit``)."""

MIN_FILES: Final = 256
"""The least that systems give; below it somebody has set it low."""

_ADVICE: Final = {
    "darwin": "Raise it before loudsync starts: launchctl limit maxfiles 65536 "
    "200000, then open a new terminal; ulimit -Hn shows it.",
    "linux": "Raise it before loudsync starts: ulimit -Hn shows it; set nofile in "
    "/etc/security/limits.conf, or LimitNOFILE= in a systemd unit, or --ulimit "
    "nofile= of docker run.",
}


def look_at_file_limit() -> list[Finding]:
    """Raise the limit as a server would, and say what that leaves room for."""
    return [judge_file_limit(FileLimit().limit, sys.platform)]


def judge_file_limit(limit: int, platform: str) -> Finding:
    """Say how many guests a limit leaves room for.

    Args:
        limit: Files at once; 0: no limit that is known.
        platform: As ``sys.platform``.
    """
    if not limit:
        return ok(_CHECK, "This system sets no limit to how many guests connect.")
    room = max(0, limit - KEPT_BACK)
    if limit < MIN_FILES:
        return problem(
            _CHECK,
            f"This system lets a program open {limit} files and connections only: "
            f"that is room for about {room} guests.",
            _ADVICE.get(platform, _ADVICE["linux"]),
        )
    return ok(_CHECK, f"This system has room for about {room} guests' connections.")
