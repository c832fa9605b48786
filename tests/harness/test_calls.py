"""Samples of kernels stand for all that filters call them with."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.kernels import INTERPRET

pytestmark = [pytest.mark.triton, pytest.mark.slow]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["ink", "background", "face"])
def test_no_kernel_is_compiled_anew_in_mid_call(name: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != INTERPRET}
    run = subprocess.run(
        [sys.executable, "-m", "harness.calls", name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=390,
    )
    assert run.returncode == 0, run.stderr
    said, counted, anew = (cell.strip() for cell in run.stdout.splitlines()[-1].strip("|").split("|"))
    assert (said, anew) == (name, "")
    assert int(counted) > 0
