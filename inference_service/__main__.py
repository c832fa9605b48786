"""`python -m inference_service`: one worker, until SIGTERM or SIGINT drains it.

With a command (`list`, `bench`, `run`, `download`): something else than a worker, for operators and authors.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import queue
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from shared import absent_package

if TYPE_CHECKING:
    from inference_service.config import Settings
    from shared.log_ids import Ids

EXIT_DRAINED = 0
EXIT_FAILED = 1
EXIT_HUNG = 3
EXIT_INTERRUPTED = 130


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
        return EXIT_FAILED


def _run() -> int:
    if sys.argv[1:] and not sys.argv[1].startswith("-"):
        # What a command does may be ended like any other program.
        _on_signals(signal.default_int_handler)
        try:
            from inference_service.commands import main as run_command

            return run_command(sys.argv[1:])
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
    from inference_service.config import read_settings
    from shared import log_lines

    settings = read_settings(sys.argv[1:])
    return _work(settings, log_lines.configure(settings.log_level, settings.log_format))


def _work(settings: Settings, ids: Ids) -> int:
    from inference_service.config import fault, faults_of_filters, refuse
    from inference_service.device import context
    from inference_service.device.choice import take
    from inference_service.device.gpus import list_gpus, try_out
    from inference_service.errors import DeviceError
    from inference_service.filters.registry import installed
    from inference_service.worker import Worker
    from shared.errors import BindError
    from shared.run_dir import run_dir

    points = installed(has_test_params=settings.test_params)
    faults = faults_of_filters(settings, points)
    try:
        device = take(settings.device, list_gpus(settings.device), run_dir(os.environ))
        if device.torch.type == "cuda":
            try_out(device.torch)
    except DeviceError as exc:
        refuse([*faults, fault("device", str(exc))])
    if faults:
        refuse(faults)

    # SimpleQueue.put may interrupt its own get, so a handler can call it.
    reasons: queue.SimpleQueue[int] = queue.SimpleQueue()
    _on_signals(lambda number, frame: reasons.put(EXIT_DRAINED))
    with device:
        context.enter(device.torch)
        worker = Worker(
            settings,
            device,
            points,
            on_failure=lambda: reasons.put(EXIT_FAILED),
            # Nothing can be closed in good order while a batch does not end.
            on_hang=lambda: os._exit(EXIT_HUNG),
        )
        ids.worker = worker.id
        try:
            worker.open()
        except BindError as exc:
            refuse([fault("frames_bind", str(exc))])
        # What torch leaves would hold up a batch whenever the collector went through all of it.
        gc.freeze()
        code = reasons.get()
        worker.drain()
        return code


def _on_signals(handler: signal._HANDLER) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


def _leave_at_once(number: int, frame: FrameType | None) -> NoReturn:
    # Not SystemExit, which could surface inside an import that reports it as its own failure.
    os._exit(EXIT_DRAINED)


if __name__ == "__main__":
    exit_code = main()
    logging.shutdown()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    # At once: to take torch down costs up to 2 s on a busy host, and a thread that is still loading a filter
    # would not survive it. Everything that matters is closed.
    os._exit(exit_code)
