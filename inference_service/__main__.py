"""`python -m inference_service`: one worker, until SIGTERM or SIGINT drains it.

With a command (`list`, `bench`, `run`, `download`, `new`, `dev`): something else than a worker, for operators
and authors.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from inference_service import exit_codes
from shared import absent_package


def main() -> int:
    """Run a worker, or the command that is named first, and return its exit code.

    A worker: 0 when drained, 1 where it failed so often that a new one should be tried. It exits with 2 for a
    setting that cannot be used, and with 3 where a batch does not end.
    """
    # Before the imports, which take seconds: until the worker is open there is nothing to drain.
    _on_signals(_leave_at_once)
    # Read when torch is imported. Threads that spin while they wait take time from those that work. On a
    # busy host ink took 215 ms a frame with them and 52 without; on an idle one there is no difference.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return _run()
    except ModuleNotFoundError as exc:
        absent_package.explain("inference_service", "inference", exc)
        return exit_codes.FAILED


def _run() -> int:
    if sys.argv[1:] and not sys.argv[1].startswith("-"):
        # What a command does may be ended like any other program.
        _on_signals(signal.default_int_handler)
        try:
            from inference_service.commands import main as run_command

            return run_command(sys.argv[1:])
        except KeyboardInterrupt:
            return exit_codes.INTERRUPTED
    from inference_service.config import read_settings

    # Before torch, whose import takes seconds: `--help`, and a setting that cannot be used, need none.
    settings = read_settings(sys.argv[1:])
    from inference_service.filters.installed import installed
    from inference_service.process import work
    from shared import log_lines

    ids = log_lines.configure(settings.log_level, settings.log_format)
    points = installed(has_test_params=settings.test_params)
    return work(settings, points, on_made=lambda worker: setattr(ids, "worker", worker.id))


def _on_signals(handler: signal._HANDLER) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


def _leave_at_once(number: int, frame: FrameType | None) -> NoReturn:
    # Not SystemExit, which could surface inside an import that reports it as its own failure.
    os._exit(exit_codes.DRAINED)


if __name__ == "__main__":
    exit_code = main()
    logging.shutdown()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    # At once: to take torch down costs up to 2 s on a busy host, and a thread that is still loading a filter
    # would not survive it. Everything that matters is closed.
    os._exit(exit_code)
