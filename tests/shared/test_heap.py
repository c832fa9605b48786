from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FRAMES = 400
FAULTS = f"""
import resource
from collections import deque
import numpy as np
from shared.heap import keep_large_blocks
if KEEPS:
    keep_large_blocks()
held = deque(maxlen=6)
def frame(number):
    held.append(np.ones(460_800, np.uint8))
    if number % 7 == 0:
        held.clear()
for number in range(100):
    frame(number)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range({FRAMES}):
    frame(number)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults_a_frame(*, keeps: bool) -> float:
    """Page faults for each block of a frame of 640x480, of which a few live at a time."""
    argv = [sys.executable, "-c", f"KEEPS = {keeps}\n{FAULTS}"]
    return int(subprocess.run(argv, capture_output=True, check=True, text=True).stdout) / FRAMES


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides for itself")
def test_the_memory_of_frames_is_kept() -> None:
    assert faults_a_frame(keeps=True) < 2
    assert faults_a_frame(keeps=False) > 20, "glibc keeps them by itself: keep_large_blocks is not needed"
