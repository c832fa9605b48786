"""Feeds the targets by atheris, whose inputs follow what code they reach: `make fuzz MINUTES=10`.

    python -m tests.fuzz --minutes 10 [--only TARGET,...]

Each target has its share of the time, in a process of its own. What reaches new code is kept in
tests/fuzz/corpus/TARGET, and so is what breaks a target (`crash-...`): every run of the tests feeds both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
MOST_BYTES = 4096
ONE_INPUT_S = 10
MEMORY_MIB = 2048


def fuzz(name: str, seconds: float) -> bool:
    """Feed one target for so long; tell whether it held."""
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        found, one = Path(folder) / "found", Path(folder) / "one"
        found.mkdir()
        for place, seed in enumerate(seeds(name)):
            (found / f"seed-{place}").write_bytes(seed)
        # libFuzzer starts itself once more to merge, by the name of its program.
        one.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.fuzz.one {name} "$0" "$@"\n')
        one.chmod(0o700)
        run = _run(name, one, f"-max_total_time={max(1, round(seconds))}", found, kept)
        # Of all that was found, what reaches code that the kept ones do not, however often it is reached.
        merged = _run(name, one, "-merge=1", "-use_counters=0", kept, found)
    return run == 0 and merged == 0


def _run(name: str, one: Path, *given: str | Path) -> int:
    flags = [f"-max_len={MOST_BYTES}", f"-timeout={ONE_INPUT_S}", f"-rss_limit_mb={MEMORY_MIB}"]
    flags += [f"-artifact_prefix={CORPUS / name}/", "-print_final_stats=1"]
    return subprocess.run([one, *flags, *given], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together")
    parser.add_argument("--only", default=",".join(TARGETS), help="names of targets, comma-separated")
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target {unknown[0]!r}: {', '.join(TARGETS)}")
    broken = [name for name in names if not fuzz(name, given.minutes * 60 / len(names))]
    print(f"fuzzed {', '.join(names)}: {'all held' if not broken else 'broken: ' + ', '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
