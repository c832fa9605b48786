"""Kernels are compiled for each card, which needs none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.kernels import ARCHITECTURES, INTERPRET

pytestmark = pytest.mark.triton


def test_every_kernel_compiles_once_for_each_card_and_spills_nothing() -> None:
    environment = {name: value for name, value in os.environ.items() if name != INTERPRET}
    command = [sys.executable, "-m", "harness.kernels", "--architecture", "75", "90"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    rows = [line.strip("|").split("|") for line in run.stdout.splitlines()[2:]]
    made = [(name.strip(), int(architecture), int(spilled)) for name, architecture, _, spilled, _ in rows]
    assert made
    assert [one for one in made if one[2]] == []
    assert {one[1] for one in made} == {75, 90} <= set(ARCHITECTURES)
