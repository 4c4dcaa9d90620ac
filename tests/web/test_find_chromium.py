"""The script that finds a browser for the tests of the page."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "find_chromium.py"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the stand-ins are shell scripts"
)


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script on a system without any Chromium, nor a way to get one."""
    spec = importlib.util.spec_from_file_location("find_chromium", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PLACES", ())
    monkeypatch.setattr(module, "PLAYWRIGHT_FOLDERS", ())
    monkeypatch.setattr(module, "playwright_commands", list)
    monkeypatch.setattr(sys, "argv", ["find_chromium.py"])
    monkeypatch.delenv("LOUDSYNC_CHROMIUM", raising=False)
    monkeypatch.delenv("PLAYWRIGHT_BROWSERS_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return module


def stand_in(path: Path, script: str = "echo Chromium 1.2.3") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_on_the_path(
    finder: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stand_in(tmp_path / "bin" / "google-chrome")
    assert finder.main() == 0
    assert capsys.readouterr() == (f"{path}\n", "")


def test_what_does_not_start_is_passed_over(finder: ModuleType, tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "chromium", "echo needs the snap 1 >&2; exit 1")
    stand_in(tmp_path / "bin" / "chromium-browser", "true")
    path = stand_in(tmp_path / "bin" / "google-chrome-stable")
    assert finder.find() == path


def test_the_environment_comes_first(
    finder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path / "bin" / "chromium")
    path = stand_in(tmp_path / "mine")
    monkeypatch.setenv("LOUDSYNC_CHROMIUM", path)
    assert finder.find() == path


def test_a_wrong_path_in_the_environment_is_said(
    finder: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in(tmp_path / "bin" / "chromium")
    monkeypatch.setenv("LOUDSYNC_CHROMIUM", str(tmp_path / "none"))
    assert finder.main() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "LOUDSYNC_CHROMIUM" in err


def test_playwrights_newest(
    finder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    stand_in(tmp_path / "chromium-999" / "chrome-linux" / "chrome")
    newest = stand_in(tmp_path / "chromium-1200" / "chrome-linux" / "chrome")
    assert finder.find() == newest


@pytest.mark.parametrize("options", [[], ["--install"]])
def test_none_is_one_line_that_says_what_to_do(
    finder: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["find_chromium.py", *options])
    assert finder.main() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "LOUDSYNC_CHROMIUM" in err


def test_install_with_apt_get(
    finder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium = tmp_path / "bin" / "chromium"
    monkeypatch.setattr(finder.os, "geteuid", lambda: 0)
    stand_in(tmp_path / "bin" / "env", 'shift; "$@"')
    stand_in(
        tmp_path / "bin" / "apt-get",
        f'[ "$1" = update ] && exit; printf "#!/bin/sh\\necho Chromium 1" > {chromium};'
        f" /bin/chmod +x {chromium}",
    )
    assert finder.install() == str(chromium)
