"""The list of requirements that an image installs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.deploy.compose import ROOT

PYPROJECT = """
[project]
dependencies = ["numpy>=2"]
[project.optional-dependencies]
signaling = ["aiortc>=1"]
inference = ["torch>=2"]
"""


def printed(folder: Path, *extras: str) -> subprocess.CompletedProcess[str]:
    (folder / "pyproject.toml").write_text(PYPROJECT)
    argv = [sys.executable, str(ROOT / "deploy" / "requirements.py"), *extras]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True)


def test_dependencies_come_before_those_of_each_extra(tmp_path: Path) -> None:
    assert printed(tmp_path, "signaling").stdout.splitlines() == ["numpy>=2", "aiortc>=1"]
    assert printed(tmp_path, "inference", "signaling").stdout.splitlines() == [
        "numpy>=2",
        "torch>=2",
        "aiortc>=1",
    ]


def test_unknown_extra_ends_the_build(tmp_path: Path) -> None:
    assert printed(tmp_path, "signalling").returncode != 0
