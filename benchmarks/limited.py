"""A part of a benchmark in a process of its own: one that fails or hangs costs itself alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it."""

    code: int | None
    """None: it was ended by its limit."""
    said: str
    """On standard output, also before the limit."""
    last: str
    """The last line of standard error, where it did not end by itself and well."""
    took_s: float

    @property
    def how(self) -> str:
        if self.code is None:
            return "was ended by its limit"
        return "ended" if self.code == 0 else f"failed with code {self.code}"


def ended(argv: Sequence[str], limit_s: float) -> Ended:
    """Run a command in the project's folder; at its limit it ends with all that it has started."""
    started_s = time.monotonic()
    # Files, not pipes: what was said before the limit is kept, and nobody waits for a grandchild.
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        try:
            process = subprocess.Popen(argv, stdout=said, stderr=errors, cwd=ROOT, start_new_session=True)
        except OSError as exc:
            return Ended(127, "", str(exc), 0.0)
        code: int | None
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        # Also after a good end: a profiler may have left somebody on the GPU.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said.seek(0)
        errors.seek(0)
        lines = errors.read().strip().splitlines()
        last = "" if code == 0 or not lines else lines[-1]
        return Ended(code, said.read(), last[:300], time.monotonic() - started_s)
