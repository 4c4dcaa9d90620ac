"""The page's files: all of them are served, and all of them are in the wheel."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import loudsync
from loudsync.web import page_files

ROOT = Path(__file__).parents[2]

FILES = {path: file.body for path, file in page_files().items()}

SCRIPTS = {path for path in FILES if path.endswith(".js")}


def named_in(path: str) -> set[str]:
    """Return the paths that a file names in quotes."""
    return set(re.findall(r"""["'](/[a-z0-9.-]*)["']""", FILES[path].decode()))


def test_the_client_is_the_package() -> None:
    assert FILES["/loudsync.js"] == (ROOT / "clients/js/loudsync.js").read_bytes()


def test_the_package_has_the_version_of_the_server() -> None:
    package = json.loads((ROOT / "clients/js/package.json").read_text())
    assert package["version"] == loudsync.__version__


def test_every_script_is_fetched_at_once() -> None:
    # Each would else wait for the one that imports it.
    assert named_in("/") & SCRIPTS == SCRIPTS - {"/offline.js"}


def test_the_service_worker_keeps_what_the_page_is_made_of() -> None:
    needed = {"/", "/page.css", "/icon.svg"} | SCRIPTS - {"/offline.js"}
    assert named_in("/offline.js") == needed


def test_the_manifests_icons_are_there() -> None:
    icons = json.loads(FILES["/manifest.webmanifest"])["icons"]
    for icon in icons:
        assert icon["src"] in FILES
        if icon["type"] == "image/png":
            body = FILES[icon["src"]]
            width, height = (int.from_bytes(body[i : i + 4], "big") for i in (16, 20))
            assert icon["sizes"] == f"{width}x{height}"


def test_nothing_is_named_that_is_not_there() -> None:
    for path in SCRIPTS | {"/"}:
        for name in named_in(path):
            assert name in {*FILES, "/sessions", "/ws"}, (path, name)


def test_the_wheel_has_them_all(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        static = {
            f"/{name.rpartition('/')[2]}".replace("/index.html", "/"): packed.read(name)
            for name in packed.namelist()
            if "/web/static/" in name
        }
    assert static == FILES
