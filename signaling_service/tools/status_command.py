"""`python -m signaling_service status`: workers, filters, calls and rates of a running service."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from signaling_service.tools import report, samples
from signaling_service.tools.asking import Asking, NoAnswer, Refused, own_key, own_url
from signaling_service.tools.samples import Change, Samples

CLEAR = "\x1b[H\x1b[2J"
SHORTEST_S, LONGEST_S = 0.2, 3600.0


def main(argv: Sequence[str]) -> int:
    """Print until it is ended, or once; returns the exit code, 1 where the service does not answer."""
    arguments = _parser().parse_args(argv)
    # A key in `--api-key` is in the environment by now (hidden_secrets).
    of_key = {"SIGNALING_API_KEY_FILE": arguments.api_key_file} if arguments.api_key_file else os.environ
    try:
        asking = Asking(arguments.url or own_url(os.environ), own_key(of_key))
    except (NoAnswer, ValueError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    before: Samples | None = None
    while True:
        try:
            now = samples.read(asking.text("/metrics"))
            if before is not None:
                _print(_told(asking, Change(before, now)), as_json=arguments.json)
                if arguments.once:
                    return 0
            before = now
        except NoAnswer as exc:
            if arguments.once or before is None:
                sys.stderr.write(f"{exc}\n")
                return 1
            # Perhaps it is just being started again.
            _print({"url": asking.url, "ready": False, "not_ready": str(exc)}, as_json=arguments.json)
        time.sleep(arguments.every)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m signaling_service status",
        description="Show workers, filters, calls and rates of a running service.",
    )
    parser.add_argument(
        "url",
        nargs="?",
        help="address of the service (default: this host's, by SIGNALING_HOST and SIGNALING_PORT)",
    )
    parser.add_argument("--api-key", help="the service's key (default: SIGNALING_API_KEY)")
    parser.add_argument("--api-key-file", help="file with it (default: SIGNALING_API_KEY_FILE)")
    parser.add_argument("--every", type=_seconds, default=2.0, metavar="SECONDS", help="pause (default: 2)")
    parser.add_argument("--once", action="store_true", help="show one pause's rates, and end")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def _seconds(value: str) -> float:
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not SHORTEST_S <= found <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{value!r}: expected seconds in {SHORTEST_S:g}..{LONGEST_S:g}")
    return found


def _told(asking: Asking, change: Change) -> report.Report:
    not_ready = no_filters = ""
    filters: list[dict[str, Any]] | None = None
    try:
        asking.text("/readyz")
    except Refused as exc:
        not_ready = f"{exc.message} ({exc.code})"
    try:
        found = asking.json("/filters").get("filters")
        filters = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    except Refused as exc:
        no_filters = exc.message if exc.status not in (401, 403) else _about_key(exc)
    return report.report(asking.url, change, filters, not_ready, no_filters)


def _about_key(exc: Refused) -> str:
    return f"{exc.message} (give the service's key: SIGNALING_API_KEY, or --api-key-file FILE)"


def _print(told: report.Report, *, as_json: bool) -> None:
    if as_json:
        written = json.dumps(told) + "\n"
    elif "sessions" in told:
        written = report.text(told)
    else:
        written = f"{told['not_ready']}\n"
    if not as_json and sys.stdout.isatty():
        written = CLEAR + written
    sys.stdout.write(written)
    sys.stdout.flush()
