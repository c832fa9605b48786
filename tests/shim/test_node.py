"""The tests of the shim's pure parts run by node, so that one run of pytest tells of all tests."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

TESTS = sorted(Path(__file__).parent.rglob("*.test.mjs"))
OLDEST = 20


@cache
def node() -> str:
    """Return the path of node; skips the test by name where there is none that is new enough."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST:
        pytest.skip(f"node {OLDEST} or newer is needed, not {version}")
    return program


def test_there_are_node_tests() -> None:
    assert TESTS


@pytest.mark.parametrize("file", TESTS, ids=lambda file: str(file.name))
def test_node_tests_pass(file: Path) -> None:
    # Without --test, which would start a second node for the file.
    ran = subprocess.run([node(), file], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
