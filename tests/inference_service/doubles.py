"""The other side of the wire, and filters that do what a test asks of them."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
import zmq

from inference_service.engine.batcher import Ready
from inference_service.engine.mailbox import Received
from inference_service.engine.params import CheckedParams
from inference_service.filters import base
from shared import gate, sockets, wire
from shared.frame import i420_size_bytes
from shared.link_keys import LinkKeys
from shared.wire import STATUS_TOPIC, FrameHeader, ResultHeader, StatusHeader

DEADLINE_S = 60.0
SIZE = (64, 48)


def until(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Return the condition's first true value."""
    end_s = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end_s, "the condition did not come true in time"
        threading.Event().wait(0.002)
    return value


def noise(size: tuple[int, int] = SIZE, seed: int = 0) -> bytes:
    """Return packed I420 planes of random bytes."""
    return np.random.default_rng(seed).integers(0, 256, i420_size_bytes(*size), np.uint8).tobytes()


def header(**changes: Any) -> FrameHeader:
    """Return a frame's header; `params` decides `params_id` unless that is given."""
    params = changes.get("params", {})
    values: dict[str, Any] = {
        "session": bytes(16),
        "reply_to": "tcp://127.0.0.1:5556",
        "sequence": 0,
        "generation": 0,
        "pts": 0,
        "captured_ns": 0,
        "width": SIZE[0],
        "height": SIZE[1],
        "filters": ("passthrough",),
        "params": params,
    }
    if "params_id" not in changes:
        values["params_id"] = wire.params_id(params or {})
    return FrameHeader(**(values | changes))


def received(planes: bytes | None = None, arrived_ns: int | None = None, **changes: Any) -> Received:
    """Return a frame as the receiver hands it on."""
    head = header(**changes)
    arrived_ns = time.monotonic_ns() if arrived_ns is None else arrived_ns
    planes = noise((head.width, head.height)) if planes is None else planes
    return Received(head, memoryview(planes), arrived_ns)


def ready(chain: Sequence[base.Filter], planes: bytes | None = None, **changes: Any) -> Ready:
    """Return a frame with all that its filters need."""
    one = received(planes, filters=tuple(each.name for each in chain), **changes)
    params = CheckedParams().check(chain, one.header.params_id, one.header.params or {})
    return Ready(one, tuple(chain), params)


class Signaling:
    """What a signaling process has of ZeroMQ: a bound SUB, and a PUSH for each session."""

    def __init__(self, bind: str = "", keys: LinkKeys | None = None) -> None:
        """Bind in a folder of its own by default."""
        self._folder = tempfile.TemporaryDirectory(prefix="p2p")
        self._context: Any = zmq.Context()
        self._keys = keys
        self._gate = gate.Gate(self._context, keys)
        self._gate.open()
        self._sub = sockets.sub_results(self._context, self._gate)
        self._sub.setsockopt(zmq.SUBSCRIBE, b"")
        self.endpoint = bind or f"ipc://{self._folder.name}/results.ipc"
        self._sub.bind(self.endpoint)
        if self.endpoint.startswith("tcp://"):
            port = self._sub.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2]
            self.endpoint = self.endpoint.replace("*", port)
        self._lanes: dict[bytes, Any] = {}
        self._sequence = 0

    def close(self) -> None:
        self._gate.close()
        self._context.destroy(linger=0)
        self._folder.cleanup()

    def next(self, deadline_s: float = DEADLINE_S) -> StatusHeader | tuple[ResultHeader, bytes]:
        """Return the next status or result."""
        assert self._sub.poll(int(deadline_s * 1000)), "nothing came in time"
        topic, message = self._sub.recv_multipart()
        if topic == STATUS_TOPIC:
            return wire.unpack_status(message)
        result, planes = wire.unpack_result(message)
        assert topic == result.session
        return result, bytes(planes)

    def status(self, matches: Callable[[StatusHeader], bool] = lambda status: True) -> StatusHeader:
        """Return the next status that matches; results on the way are dropped."""
        end_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < end_s:
            came = self.next(max(0.0, end_s - time.monotonic()))
            if isinstance(came, StatusHeader) and matches(came):
                return came
        raise AssertionError("no such status came in time")

    def results(self, count: int = 1, matches: Callable[[ResultHeader], bool] = lambda result: True):
        """Return the next `count` results that match, with their planes."""
        found: list[tuple[ResultHeader, bytes]] = []
        end_s = time.monotonic() + DEADLINE_S
        while len(found) < count:
            came = self.next(max(0.0, end_s - time.monotonic()))
            if not isinstance(came, StatusHeader) and matches(came[0]):
                found.append(came)
        return found

    def send(self, worker: StatusHeader, planes: bytes | None = None, **changes: Any) -> FrameHeader:
        """Send a frame on its session's lane, as soon as the worker is connected."""
        self._sequence += 1
        head = header(**({"reply_to": self.endpoint, "sequence": self._sequence} | changes))
        self.send_raw(
            worker,
            wire.pack_frame(head, noise((head.width, head.height)) if planes is None else planes),
            head.session,
        )
        return head

    def send_raw(self, worker: StatusHeader, message: bytes, session: bytes = bytes(16)) -> None:
        lane = self._lanes.get(session)
        if lane is None:
            lane = self._lanes[session] = sockets.push_frames(self._context, self._keys)
            lane.connect(worker.frames_endpoint)
        assert lane.poll(int(DEADLINE_S * 1000), zmq.POLLOUT), "the worker is not to be reached"
        lane.send(message)

    def ask(self, worker: StatusHeader, planes: bytes | None = None, **changes: Any):
        """Send a frame and return its result and planes."""
        head = self.send(worker, planes, **changes)
        return self.results(1, lambda r: (r.session, r.sequence) == (head.session, head.sequence))[0]


@contextmanager
def signaling(bind: str = "", keys: LinkKeys | None = None) -> Iterator[Signaling]:
    one = Signaling(bind, keys)
    try:
        yield one
    finally:
        one.close()


def session() -> bytes:
    return os.urandom(16)


class Point:
    """An entry point that hands out a class, or raises."""

    def __init__(self, name: str, cls: Any) -> None:
        self.name = name
        self.value = f"test:{name}"
        self._cls = cls

    def load(self) -> Any:
        if isinstance(self._cls, Exception):
            raise self._cls
        return self._cls


def points(*classes: type[base.Filter]) -> dict[str, Any]:
    """Return the built-in filters and these."""
    from inference_service.filters.installed import installed

    return {**installed(has_test_params=True), **{cls.name: Point(cls.name, cls) for cls in classes}}


class Gated(base.Filter):
    """Its loading begins (`begun`) and then waits for the test (`go`)."""

    title = "Gated"
    begun: ClassVar[threading.Event]
    go: ClassVar[threading.Event]

    def load(self, device: torch.device) -> None:
        self.begun.set()
        assert self.go.wait(DEADLINE_S)

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        return batch


def gated(name: str = "gated") -> type[Gated]:
    """Return such a filter with events of its own."""

    class Fresh(Gated):
        begun = threading.Event()
        go = threading.Event()

    Fresh.name = name
    return Fresh


class Recorder(base.Filter):
    """Writes down the sessions of each batch, and waits for the test where it has a gate."""

    name = "recorder"
    title = "Recorder"

    class Params(base.Params):
        apart: int = 0
        together: int = 0

    equal_params: ClassVar[frozenset[str] | None] = frozenset({"apart"})

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        self.batches.append([item.session for item in items])
        return batch


class Gate(Recorder):
    """Each batch waits for the test."""

    name = "gate"

    made: Gate
    """The one that was made last."""

    def __init__(self) -> None:
        super().__init__()
        Gate.made = self
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        if batch.shape[2] != 480:  # Not while warming up.
            self.begun.release()
            assert self.go.acquire(timeout=20)
        return super().apply(batch, items)


class Counting(base.Filter):
    """Counts the frames of a session in its state, and paints the count."""

    name = "counting"
    title = "Counting"
    keeps_state = True

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        out = torch.empty_like(batch)
        for one, item in zip(out, items, strict=True):
            item.state["count"] = item.state.get("count", 0) + 1
            one.fill_(item.state["count"] * 10)
        return out


class Brittle(base.Filter):
    """Raises for a batch in which any session is broken."""

    name = "brittle"
    title = "Brittle"

    class Params(base.Params):
        is_broken: bool = False

    equal_params = frozenset()

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        if any(item.params.is_broken for item in items):
            raise ZeroDivisionError("a secret")
        return 255 - batch


class Flipped(base.Filter):
    """An I420 filter that changes the picture: each plane's bytes inverted."""

    name = "flipped"
    title = "Flipped"
    works_on = "i420"

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        return 255 - batch
