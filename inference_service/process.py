"""A worker as a process: from its settings to its exit code."""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint

from inference_service import exit_codes
from inference_service.config import NAMING, Settings
from inference_service.device import context
from inference_service.device.choice import Device, take
from inference_service.device.gpus import list_gpus, try_out
from inference_service.engine.engine import Explain
from inference_service.errors import DeviceError, HttpPortNotTaken
from inference_service.filter_faults import faults_of_filters
from inference_service.worker import Worker
from shared.errors import BindError
from shared.operator_settings import refuse
from shared.run_dir import run_dir

LOOKS_EVERY_S = 0.5
"""A signal that comes right after SIGCONT may reach another thread. Python's handler then runs when the main
thread wakes up next."""


def work(
    settings: Settings,
    points: Mapping[str, EntryPoint],
    *,
    explain: Explain | None = None,
    on_made: Callable[[Worker], None] = lambda worker: None,
    on_open: Callable[[Worker], None] = lambda worker: None,
) -> int:
    """Run a worker until SIGTERM or SIGINT drains it, and return its exit code.

    0: it has drained. 1: it failed so often that a new process should be tried. Exits with 2 for a setting
    that cannot be used, and with 3 where a batch does not end. `explain` is that of `Engine`.
    """
    faults = faults_of_filters(settings, points)
    device = take_device(settings, faults)

    # SimpleQueue.put may interrupt its own get, so a handler can call it.
    reasons: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: reasons.put(exit_codes.DRAINED))
    with device:
        context.enter(device.torch)
        worker = Worker(
            settings,
            device,
            points,
            on_failure=lambda: reasons.put(exit_codes.FAILED),
            # Nothing can be closed in good order while a batch does not end.
            on_hang=lambda: os._exit(exit_codes.HUNG),
            explain=explain,
        )
        on_made(worker)
        try:
            worker.open()
        except BindError as exc:
            refuse([NAMING.named("frames_bind", str(exc))])
        except HttpPortNotTaken as exc:
            refuse([NAMING.named("http_port", f"{exc}; choose another, or stop what has it")])
        # What torch leaves would hold up a batch whenever the collector went through all of it.
        gc.freeze()
        on_open(worker)
        code = _first(reasons)
        worker.drain()
        return code


def take_device(settings: Settings, faults: Sequence[str]) -> Device:
    """Return the device of the settings, tried out; exits with 2 for faults, that of the device with them."""
    try:
        device = take(settings.device, list_gpus(settings.device), run_dir(os.environ))
        if device.torch.type == "cuda":
            try_out(device.torch)
    except DeviceError as exc:
        refuse([*faults, NAMING.named("device", str(exc))])
    if faults:
        refuse(faults)
    return device


def _first(reasons: queue.SimpleQueue[int]) -> int:
    while True:
        with contextlib.suppress(queue.Empty):
            return reasons.get(timeout=LOOKS_EVERY_S)
