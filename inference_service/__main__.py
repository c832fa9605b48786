"""`python -m inference_service`: one worker, until SIGTERM or SIGINT drains it."""

from __future__ import annotations

import gc
import logging
import os
import queue
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from inference_service.config import Settings

EXIT_DRAINED = 0
EXIT_FAILED = 1


def main() -> int:
    """Run a worker; return 1 for a fault, 0 when drained. Exits with 2 for a setting that cannot be used."""
    # Before the imports, which take seconds: until the worker is open there is nothing to drain.
    _on_signals(_leave_at_once)
    # Read when torch is imported. On a CPU that others use too, threads that spin while they wait take the
    # time from those that work: ink took 215 ms a frame on a busy host, and 52 so; alone it is the same.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from inference_service.config import read_settings

    settings = read_settings(sys.argv[1:])
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    return _work(settings)


def _work(settings: Settings) -> int:
    import zmq

    from inference_service.config import fault, refuse
    from inference_service.device import list_gpus, run_dir, take
    from inference_service.errors import DeviceError
    from inference_service.filters.registry import installed
    from inference_service.worker import Worker

    points = installed()
    faults = [
        fault("filters", f"no filter {name!r}; there are {', '.join(sorted(points))}")
        for name in settings.filters
        if name not in points
    ]
    try:
        device = take(settings.device, list_gpus(), run_dir(os.environ))
    except DeviceError as exc:
        refuse([*faults, fault("device", str(exc))])
    if faults:
        refuse(faults)

    # SimpleQueue.put may interrupt its own get, so a handler can call it.
    reasons: queue.SimpleQueue[int] = queue.SimpleQueue()
    _on_signals(lambda number, frame: reasons.put(EXIT_DRAINED))
    with device:
        worker = Worker(settings, device, points, on_failure=lambda: reasons.put(EXIT_FAILED))
        try:
            worker.open()
        except zmq.ZMQError as exc:
            refuse([fault("frames_bind", f"{settings.frames_bind} cannot be bound ({exc.strerror})")])
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
    # At once: to take torch down costs up to 2 s on a busy host, and a thread that is still loading a filter
    # would not survive it. Everything that matters is closed.
    os._exit(exit_code)
