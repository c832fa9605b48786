"""`python -m signaling_service keys DIR`: the keys by which services on tcp:// know each other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from shared import link_keys
from shared.errors import KeysError


def main(argv: Sequence[str]) -> int:
    """Make the keys and say which side needs which; returns the exit code, 1 where they cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m signaling_service keys",
        description="Make the keys of the link between signaling services and workers (--link-keys DIR).",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder for the four files, made if need be")
    folder = parser.parse_args(argv).folder
    try:
        link_keys.make(folder)
    except KeysError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    sys.stdout.write(
        f"{folder}: give hosts of signaling services service.secret and worker.public,\n"
        "hosts of workers worker.secret and service.public; then start both with --link-keys\n"
    )
    return 0
