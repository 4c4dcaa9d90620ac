"""Print the path of a Chromium that starts; with ``--install``, get one if needed.

``make test`` runs it before the browser tests. Exit code 1 and one line on
stderr where there is none.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

VARIABLE: Final = "LOUDSYNC_CHROMIUM"

NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)

PLACES: Final = (
    "/usr/bin/chromium",
    "/usr/lib/chromium/chromium",
    "/snap/bin/chromium",
    "/opt/google/chrome/chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "~/Applications/Chromium.app/Contents/MacOS/Chromium",
    "~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)

PLAYWRIGHT_FOLDERS: Final = ("~/.cache/ms-playwright", "~/Library/Caches/ms-playwright")

PLAYWRIGHT_BINARIES: Final = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)

SHELL: Final = "chromium-headless-shell"
"""Chromium without windows, a package of its own: most tests take it where it is, as
it does the same with half the work."""

START_TIMEOUT_S: Final = 20

INSTALL_TIMEOUT_S: Final = 900

ADVICE: Final = f"install chromium, or set {VARIABLE} to the path of one"


class NotFound(Exception):
    """No Chromium; the text says what to do."""


def candidates() -> Iterator[str]:
    """Give the paths where a Chromium may be, the likeliest first."""
    for name in NAMES:
        if path := shutil.which(name):
            yield path
    for place in PLACES:
        yield str(Path(place).expanduser())
    folders = (os.environ.get("PLAYWRIGHT_BROWSERS_PATH"), *PLAYWRIGHT_FOLDERS)
    for folder in filter(None, folders):
        for pattern in PLAYWRIGHT_BINARIES:
            found = map(str, Path(folder).expanduser().glob(pattern))
            # The newest version has the longest, then the highest, number.
            yield from sorted(found, key=lambda path: (len(path), path), reverse=True)


def starts(path: str) -> bool:
    """Tell whether this is a Chromium that runs here."""
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        return False
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return False
    # A stub that only names another package exits with 1, or prints no version.
    return answer.returncode == 0 and any(map(str.isdigit, answer.stdout))


def find() -> str | None:
    """Return the path of the first Chromium that starts.

    Raises:
        NotFound: The one that the environment names does not start.
    """
    if wanted := os.environ.get(VARIABLE):
        path = shutil.which(wanted)
        if path is None or not starts(path):
            raise NotFound(
                f"{VARIABLE} is {wanted!r}, which does not start; correct it or unset it"
            )
        return path
    return next(filter(starts, candidates()), None)


def install() -> str:
    """Install a Chromium as this system can, and return its path.

    Raises:
        NotFound: It can't.
    """
    for commands in (apt_commands(), playwright_commands()):
        if commands and all(map(succeeds, commands)) and (path := find()):
            return path
    raise NotFound(f"No Chromium found, and none could be installed: {ADVICE}")


def install_shell() -> None:
    """Install the one without windows too, where that is as easy."""
    if apt := apt_get():
        succeeds([*apt, "install", "-y", "--no-install-recommends", SHELL])


def apt_get() -> list[str]:
    """Say how to call Debian's ``apt-get``; nothing where it can't be."""
    if shutil.which("apt-get") is None:
        return []
    if os.geteuid() == 0:
        rights = []
    elif shutil.which("sudo") and succeeds(["sudo", "-n", "true"]):
        rights = ["sudo", "-n"]
    else:
        return []
    return [*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]


def apt_commands() -> list[list[str]]:
    """Say how to install Debian's package; nothing where that can't be done."""
    if not (apt := apt_get()):
        return []
    return [
        [*apt, "update"],
        [*apt, "install", "-y", "--no-install-recommends", "chromium"],
    ]


def playwright_commands() -> list[list[str]]:
    """Say how Playwright would fetch its own; nothing where it isn't installed."""
    if importlib.util.find_spec("playwright") is None:
        return []
    return [[sys.executable, "-m", "playwright", "install", "chromium"]]


def succeeds(command: list[str]) -> bool:
    """Run a command, quietly."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> int:
    """Print the path, or why there is none."""
    parser = argparse.ArgumentParser(description="Print the path of a Chromium.")
    parser.add_argument(
        "--install", action="store_true", help="install one where none is found"
    )
    options = parser.parse_args()
    try:
        path = find()
        if path is None and options.install:
            path = install()
            install_shell()
        if path is None:
            raise NotFound(f"No Chromium found: {ADVICE}, or run this with --install")
    except NotFound as fault:
        print(fault, file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
