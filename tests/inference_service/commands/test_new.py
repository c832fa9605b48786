"""`new`: a package that is right from the first minute."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from inference_service import commands
from inference_service.commands import new

ROOT = Path(new.__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_package_passes_its_own_tests_at_once(folder):
    assert commands.main(["new", "soft-focus"]) == 0
    package = folder / "soft-focus"
    files = sorted(str(path.relative_to(package)) for path in package.rglob("*") if path.is_file())
    assert files == [
        "README.md",
        "p2pcamera_soft_focus.py",
        "pyproject.toml",
        "tests/conftest.py",
        "tests/test_p2pcamera_soft_focus.py",
    ]
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["p2pcamera.filters"] == {"soft-focus": "p2pcamera_soft_focus:SoftFocus"}
    assert project["dependencies"] == ["p2pcamera[inference]>=0.1,<0.2"]
    assert not [path for path in package.rglob("*") if path.is_file() and "$" in path.read_text()]

    def tests():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        # Plugins that an author may not have take more than a second to import.
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        return subprocess.run(command, cwd=package, env=environ, capture_output=True, text=True, timeout=110)

    done = tests()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("Soft", 2, "small letters"),
        ("../soft", 2, "small letters"),
        ("soft--focus", 2, "small letters"),
        ("1soft", 2, "small letters"),
        ("x" * 41, 2, "at most 40"),
        ("ink", 2, "is a filter of the project"),
        ("none", 2, "is a word of Python"),
        ("there", 1, "there is there already"),
    ],
)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(folder, capsys, name, code, said):
    (folder / "there").mkdir()
    assert commands.main(["new", name]) == code
    assert said in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["there"]


def test_a_failure_half_way_leaves_nothing(folder, capsys, monkeypatch):
    def full(self, *args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert commands.main(["new", "soft"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", ["new", "dev"])
def test_help_names_what_is_expected(command):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as raised:
        commands.main([command, "--help"])
    assert raised.value.code == 0
    assert ("NAME" if command == "new" else "FILE_OR_PACKAGE") in out.getvalue()
