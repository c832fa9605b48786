"""The units of systemd: what it says of them, and that they run what is here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.deploy.compose import ROOT

FOLDER = ROOT / "deploy" / "systemd"
UNITS = {"p2pcamera-signaling.service": 2.0, "p2pcamera-inference@.service": 2.5}
"""The most that `systemd-analyze security` may say of each: 10 is open, 0 is closed."""
ANALYZE = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze")


def installed(folder: Path, name: str) -> Path:
    """Write a unit as it would be, with a Python and a document that this host has; return an instance."""
    text = (FOLDER / name).read_text().replace("/opt/p2pcamera/.venv/bin/python", sys.executable)
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.M)
    (folder / name).write_text(text)
    unit = folder / name.replace("@.", "@1.")
    unit.write_text(text)
    return unit


def analyze(*words: str | Path) -> str:
    assert ANALYZE is not None
    done = subprocess.run([ANALYZE, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line_and_calls_the_unit_closed(tmp_path: Path, name: str) -> None:
    unit = installed(tmp_path, name)
    assert analyze("verify", unit).strip() == ""
    said = analyze("security", "--offline=yes", "--no-pager", unit)
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert float(level) <= UNITS[name]


@needs_systemd
def test_a_wrong_line_is_noticed(tmp_path: Path) -> None:
    unit = installed(tmp_path, "p2pcamera-signaling.service")
    unit.write_text(unit.read_text().replace("PrivateTmp=", "PrivateTemp="))
    assert "PrivateTemp" in analyze("verify", unit)


@pytest.mark.parametrize("name", UNITS)
def test_units_run_modules_that_there_are_and_keep_the_folder_of_sockets(name: str) -> None:
    text = (FOLDER / name).read_text()
    (module,) = re.findall(r"^ExecStart=\S+ -m (\w+)$", text, re.M)
    assert find_spec(module) is not None
    assert "RuntimeDirectory=p2pcamera\n" in text
    assert "RuntimeDirectoryPreserve=yes\n" in text
    assert "Environment=P2PCAMERA_RUN_DIR=/run/p2pcamera\n" in text
    assert (ROOT / "docs" / "systemd.md").is_file()
