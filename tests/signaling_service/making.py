"""What many tests of this service need made: statuses, results, a worker that speaks the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import zmq

from shared import sockets
from shared.frame import i420_size_bytes
from shared.wire import (
    STATUS_TOPIC,
    FilterState,
    FilterStatus,
    FrameHeader,
    LoopState,
    ResultHeader,
    ResultKind,
    StatusHeader,
    pack_result,
    pack_status,
    unpack_frame,
)

SESSION = b"0123456789abcdef"
STRENGTH = {
    "type": "object",
    "properties": {"strength": {"type": "number", "minimum": 0, "maximum": 1}},
    "additionalProperties": False,
}


def served(name: str = "ink", **values: Any) -> FilterStatus:
    """A loaded filter with one parameter, `strength` in 0..1."""
    return FilterStatus(
        **{
            "name": name,
            "title": name.title(),
            "state": FilterState.LOADED,
            "keeps_state": False,
            "schema": STRENGTH,
            **values,
        }
    )


def status(
    worker: str = "w1", filters: tuple[FilterStatus, ...] | None = None, **values: Any
) -> StatusHeader:
    """An idle worker that serves `ink` and `invert`."""
    return StatusHeader(
        **{
            "worker": worker,
            "frames_endpoint": "ipc:///nowhere/frames.ipc",
            "device": "cpu",
            "filters": (served("ink"), served("invert")) if filters is None else filters,
            "busy": 0.0,
            "batch_size": 0.0,
            "loop_state": LoopState.IDLE,
            "loop_state_ms": 0.0,
            "loop_usual_ms": 0.0,
            "draining": False,
            **values,
        }
    )


def result(sequence: int = 0, **values: Any) -> ResultHeader:
    """A frame's result, captured now, of 32x16."""
    return ResultHeader(
        **{
            "kind": ResultKind.FRAME,
            "session": SESSION,
            "sequence": sequence,
            "generation": 0,
            "pts": sequence * 3000,
            "captured_ns": time.monotonic_ns(),
            "worker": "w1",
            "width": 32,
            "height": 16,
            **values,
        }
    )


def planes(width: int = 32, height: int = 16, value: int = 0) -> bytes:
    return bytes([value]) * i420_size_bytes(width, height)


class MadePlanes:
    """Planes of a camera's frame, from bytes."""

    def __init__(self, planes: bytes) -> None:
        self._planes = planes

    @property
    def size_bytes(self) -> int:
        return len(self._planes)

    def write(self, into: memoryview) -> None:
        into[:] = self._planes


def answer(header: FrameHeader, worker: str, **values: Any) -> ResultHeader:
    """The result that belongs to a frame."""
    names = ("session", "sequence", "generation", "pts", "captured_ns", "width", "height")
    return result(**{name: getattr(header, name) for name in names}, worker=worker, **values)


class WireWorker:
    """A worker in a thread: says its status, answers each frame with what `answer_with` makes of it."""

    def __init__(
        self,
        results_endpoint: str,
        answer_with: Callable[[FrameHeader, bytes], bytes] = lambda header, planes: planes,
        **status_values: Any,
    ) -> None:
        self.seen: list[FrameHeader] = []
        self.answers_kind = ResultKind.FRAME
        self.refuses: Callable[[FrameHeader], str] = lambda header: ""
        """The parameter that this worker's own model would refuse, if there is one."""
        self.data = b""
        """What its filter tells of each picture, to those who want to know."""
        self._results_endpoint = results_endpoint
        self._answer_with = answer_with
        self._status_values = status_values
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def says(self, **status_values: Any) -> None:
        """Say this of itself from now on."""
        self._status_values = {**self._status_values, **status_values}

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        pull, pub = sockets.pull_frames(context), sockets.pub_results(context)
        folder = self._results_endpoint.rpartition("/")[0]
        pull.bind(f"{folder}/{id(self)}.ipc")
        connected = {self._results_endpoint}
        pub.connect(self._results_endpoint)
        said_s = 0.0
        while not self._stop.is_set():
            own = status(**{"frames_endpoint": f"{folder}/{id(self)}.ipc", **self._status_values})
            if time.monotonic() - said_s > 0.1:
                pub.send_multipart([STATUS_TOPIC, pack_status(own)])
                said_s = time.monotonic()
            if pull.poll(20):
                header, view = unpack_frame(pull.recv())
                self.seen.append(header)
                if header.reply_to not in connected:
                    connected.add(header.reply_to)
                    pub.connect(header.reply_to)
                refused = self.refuses(header)
                kind = ResultKind.ERROR if refused else self.answers_kind
                made = self._answer_with(header, bytes(view)) if kind is ResultKind.FRAME else b""
                code = "bad_params" if refused else "filter_failed"
                words = {"code": code, "text": "why", "fraction": 0.5, "field": refused}
                data = self.data if header.wants_data and kind is ResultKind.FRAME else b""
                said = answer(header, own.worker, kind=kind, data=data, **words)
                pub.send_multipart([header.session, pack_result(said, made)])
        context.destroy(linger=0)
