"""How many frames a second one worker filters, and how old a frame is when its result is ready.

    python -m benchmarks.worker_throughput [--seconds 10] [--cases passthrough:12 invert+90:1 ...]

A case is FILTER[+BUSY_MS]:SESSIONS. Each session is a conflating PUSH that is given a frame 30 times a
second, as a lane is; ages are on the sender's clock, from the send to the result's arrival.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import zmq

from shared import sockets, wire
from shared.frame import i420_size_bytes
from shared.wire import STATUS_TOPIC, FilterState, FrameHeader, ResultKind, StatusHeader

FPS = 30
CASES = ("passthrough:1", "passthrough:12", "invert:1", "invert:12", "invert+90:1", "invert+90:12", "ink:1")
WARM_UP_S = 2.0
START_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    filter: str
    busy_ms: float | None
    sessions: int

    @classmethod
    def parse(cls, text: str) -> Case:
        what, _, sessions = text.partition(":")
        name, _, busy_ms = what.partition("+")
        return cls(name, float(busy_ms) if busy_ms else None, int(sessions or 1))


@dataclass(frozen=True, slots=True)
class Measured:
    """What came back, in ms; `slowest` and `fastest` are frames per second of single sessions."""

    per_second: float
    slowest: float
    fastest: float
    ages_ms: list[float]
    batch_ms: float
    filter_ms: float


@contextmanager
def worker(names: set[str], endpoint: str) -> Iterator[None]:
    """Run a worker of this checkout, with these filters."""
    command = [sys.executable, "-m", "inference_service", "--log-level", "warning"]
    process = subprocess.Popen([*command, "--filters", ",".join(sorted(names)), "--signaling", endpoint])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def wait_for(names: set[str], results: Any) -> StatusHeader:
    """Return the worker's status once it has loaded all filters."""
    end_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end_s:
        if not results.poll(1000):
            continue
        topic, message = results.recv_multipart()
        if topic != STATUS_TOPIC:
            continue
        status = wire.unpack_status(message)
        states = {one.name: one.state for one in status.filters}
        if failed := [name for name in names if states.get(name) is FilterState.FAILED]:
            raise SystemExit(f"the worker cannot load {', '.join(failed)}")
        if all(states.get(name) is FilterState.LOADED for name in names):
            return status
    raise SystemExit("the worker did not start")


def feed(
    case: Case, status: StatusHeader, reply_to: str, size: tuple[int, int], end: threading.Event
) -> None:
    """Be the cameras of a case: a frame of each session 30 times a second, none made up for when late."""
    width, height = size
    planes = np.random.default_rng(0).integers(0, 256, i420_size_bytes(width, height), np.uint8).tobytes()
    params: dict[str, Any] = {} if case.busy_ms is None else {"busy_ms": case.busy_ms}
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sessions = [os.urandom(wire.SESSION_BYTES) for _ in range(case.sessions)]
    lanes = [sockets.push_frames(context) for _ in sessions]
    for lane in lanes:
        lane.connect(status.frames_endpoint)
    # Cameras are not in step: each session has its own place within a frame's time.
    step_s = 1 / FPS / case.sessions
    due_s = time.monotonic()
    for sequence in itertools.count():
        due_s = max(due_s + step_s, time.monotonic() - 1 / FPS)
        if end.wait(max(0.0, due_s - time.monotonic())):
            break
        number = sequence % case.sessions
        header = FrameHeader(
            session=sessions[number],
            reply_to=reply_to,
            sequence=sequence,
            generation=0,
            pts=0,
            captured_ns=time.monotonic_ns(),
            width=width,
            height=height,
            filters=(case.filter,),
            params_id=wire.params_id(params),
            params=params,
        )
        if lanes[number].poll(0, zmq.POLLOUT):
            lanes[number].send(wire.pack_frame(header, planes), copy=False)
    context.destroy(linger=0)


def measure(case: Case, results: Any, seconds: float) -> Measured:
    """Look at what comes back after a warm-up."""
    measured_from_s = time.monotonic() + WARM_UP_S
    end_s = measured_from_s + seconds
    ages_ms: list[float] = []
    batch_ms: list[float] = []
    filter_ms: list[float] = []
    counts: Counter[bytes] = Counter()
    while (now_s := time.monotonic()) < end_s:
        if not results.poll(max(1, int((end_s - now_s) * 1000))):
            continue
        topic, message = results.recv_multipart(copy=False)
        if topic.bytes == STATUS_TOPIC:
            continue
        result, _ = wire.unpack_result(message.buffer)
        if result.kind is ResultKind.FRAME and time.monotonic() >= measured_from_s:
            ages_ms.append((time.monotonic_ns() - result.captured_ns) / 1e6)
            batch_ms.append(result.batch_ms)
            filter_ms.append(result.filter_ms)
            counts[result.session] += 1
    if len(counts) < case.sessions:
        raise SystemExit(f"{case}: only {len(counts)} sessions got anything back")
    return Measured(
        len(ages_ms) / seconds,
        min(counts.values()) / seconds,
        max(counts.values()) / seconds,
        ages_ms,
        float(np.median(batch_ms)),
        float(np.median(filter_ms)),
    )


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--cases", nargs="+", default=CASES)
    arguments = parser.parse_args()
    cases = [Case.parse(text) for text in arguments.cases]
    width, _, height = arguments.size.partition("x")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    results = sockets.sub_results(context)
    results.setsockopt(zmq.SUBSCRIBE, b"")
    folder = tempfile.TemporaryDirectory(prefix="p2p")
    reply_to = f"ipc://{folder.name}/results.ipc"
    results.bind(reply_to)
    names = {case.filter for case in cases}
    row = "{:<16} {:>8} {:>9} {:>17} {:>9} {:>9} {:>9} {:>10} {:>10}"
    head = (
        "filter",
        "sessions",
        "frames/s",
        "fps per session",
        "age p50",
        "p95",
        "max",
        "batch ms",
        "filter ms",
    )
    with worker(names, reply_to):
        status = wait_for(names, results)
        print(f"{arguments.size}, {FPS} fps per camera, worker on {status.device}, {os.cpu_count()} cores")
        print(row.format(*head))
        for case in cases:
            size = (int(width), int(height))
            end = threading.Event()
            cameras = threading.Thread(target=feed, args=(case, status, reply_to, size, end))
            cameras.start()
            try:
                got = measure(case, results, arguments.seconds)
            finally:
                end.set()
                cameras.join()
            p50, p95, most = np.percentile(got.ages_ms, (50, 95, 100))
            print(
                row.format(
                    case.filter + ("" if case.busy_ms is None else f" {case.busy_ms:g} ms"),
                    case.sessions,
                    f"{got.per_second:.0f}",
                    f"{got.slowest:.1f} - {got.fastest:.1f}",
                    f"{p50:.1f}",
                    f"{p95:.1f}",
                    f"{most:.1f}",
                    f"{got.batch_ms:.1f}",
                    f"{got.filter_ms:.1f}",
                ),
                flush=True,
            )
    context.destroy(linger=0)
    folder.cleanup()


if __name__ == "__main__":
    main()
