"""A worker without torch, whose import takes seconds of a core: `invert` and `passthrough` by numpy.

For tests of all that lies in front of a worker. It keeps what a lane relies on: it drains its PULL at all
times, takes the newest frame of each session into a batch, and says how it is every 250 ms, in a batch too.
SIGUSR1 makes its filter hang for HANG_S.

    python -m harness.light_worker --signaling ipc:///run/user/1000/p2pcamera/results.ipc --filters invert
"""

from __future__ import annotations

import argparse
import secrets
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from shared import binding, link_keys, sockets, wire
from shared.binding import Binding
from shared.frame import ColourRange
from shared.gate import Gate
from shared.link_keys import LinkKeys
from shared.wire import (
    STATUS_TOPIC,
    FilterState,
    FilterStatus,
    FrameHeader,
    LoopState,
    ResultHeader,
    ResultKind,
    StatusHeader,
)

STATUS_EVERY_S = 0.25
HANG_S = 10.0
MAX_BUSY_MS = 2000
SCHEMA = {"type": "object", "title": "Params", "additionalProperties": False, "properties": {}}
BUSY_SCHEMA = SCHEMA | {
    "title": "BusyParams",
    "properties": {
        "busy_ms": {"type": "number", "title": "Busy", "default": 0, "minimum": 0, "maximum": MAX_BUSY_MS}
    },
}
"""With `--test-params`, as at a worker with torch."""
_LEVELS = np.arange(256)
LUMA = {
    ColourRange.LIMITED: np.clip(16 + 235 - _LEVELS, 0, 255).astype(np.uint8),
    ColourRange.FULL: (255 - _LEVELS).astype(np.uint8),
}
CHROMA = np.clip(256 - _LEVELS, 0, 255).astype(np.uint8)
"""By these tables 255 - RGB reads in I420."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame that no batch has taken yet."""

    header: FrameHeader
    planes: bytes
    arrived_s: float

    @property
    def busy_ms(self) -> float:
        """How long a batch with it lasts at least."""
        names, params = self.header.filters, self.header.params or {}
        each = [params] if len(names) == 1 else [params.get(name, {}) for name in names]
        return float(max(one.get("busy_ms", 0) for one in each))


@dataclass(slots=True)
class LightWorker:
    """One thread for everything: nothing that it does takes long."""

    filters: tuple[str, ...]
    signaling: list[str]
    slow_ms: float = 0.0
    """Each batch lasts at least so long."""
    has_test_params: bool = False
    frames_bind: str = ""
    """Where it takes frames; empty for a socket of its own in the folder of its first ipc endpoint."""
    keys: LinkKeys | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    is_draining: bool = False
    hangs_until_s: float = 0.0
    """No batch ends before."""
    _waiting: dict[bytes, Waiting] = field(default_factory=dict)
    _batch: list[Waiting] = field(default_factory=list)
    _began_s: float = field(default_factory=time.monotonic)
    _ends_s: float = 0.0
    _usual_ms: float = 0.0

    def run(self) -> None:
        """Serve until `is_draining`; then finish the batch, and say so."""
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        gate = Gate(context, self.keys)
        gate.open()
        pull, pub = sockets.pull_frames(context, gate), sockets.pub_results(context, self.keys)
        bound = self._bind(pull)
        endpoint = bound.endpoint
        for address in self.signaling:
            pub.connect(address)
        connected = set(self.signaling)
        status_due_s = 0.0
        while not self.is_draining or self._batch:
            now_s = time.monotonic()
            if now_s >= status_due_s:
                pub.send_multipart([STATUS_TOPIC, wire.pack_status(self._status(endpoint, now_s))])
                status_due_s = now_s + STATUS_EVERY_S
            if self._batch and now_s >= max(self._ends_s, self.hangs_until_s):
                self._usual_ms = (now_s - self._began_s) * 1000
                for one in self._batch:
                    pub.send_multipart([one.header.session, self._result(one)])
                self._batch, self._began_s = [], now_s
            if self._waiting and not self._batch:
                self._batch, self._began_s = list(self._waiting.values()), now_s
                self._waiting.clear()
                self._ends_s = now_s + max(self.slow_ms, *map(self._busy_ms, self._batch)) / 1000
                continue
            ends_s = max(self._ends_s, self.hangs_until_s)
            due_s = min(status_due_s, ends_s) if self._batch else status_due_s
            if not pull.poll(max(0, int((due_s - now_s) * 1000) + 1)):
                continue
            for one in self._drain(pull):
                if one.header.reply_to not in connected:
                    connected.add(one.header.reply_to)
                    pub.connect(one.header.reply_to)
                    status_due_s = 0.0
                self._waiting[one.header.session] = one
        pub.send_multipart([STATUS_TOPIC, wire.pack_status(self._status(endpoint, time.monotonic()))])
        pub.close(linger=300)
        gate.close()
        context.destroy()
        bound.release()

    def _busy_ms(self, one: Waiting) -> float:
        return one.busy_ms if self.has_test_params else 0.0

    def _bind(self, pull: zmq.Socket[bytes]) -> Binding:
        if self.frames_bind:
            return binding.bind(pull, self.frames_bind)
        folder = self.signaling[0].rpartition("/")[0]
        binding.sweep(Path(folder.removeprefix("ipc://")) / "light-*.ipc")
        return binding.bind(pull, f"{folder}/light-{self.id}.ipc")

    def _drain(self, pull: zmq.Socket[bytes]) -> list[Waiting]:
        drained = []
        while pull.poll(0):
            header, planes = wire.unpack_frame(pull.recv())
            drained.append(Waiting(header, bytes(planes), time.monotonic()))
        return drained

    def _result(self, one: Waiting) -> bytes:
        head = one.header
        values: dict[str, Any] = {
            name: getattr(head, name) for name in ("session", "sequence", "generation", "pts", "captured_ns")
        }
        values |= {"worker": self.id, "batch_ms": self._usual_ms}
        if unknown := [name for name in head.filters if name not in self.filters]:
            return wire.pack_result(
                ResultHeader(kind=ResultKind.ERROR, code="unknown_filter", text=unknown[0], **values)
            )
        values |= {name: getattr(head, name) for name in ("width", "height", "colour_range", "colour_matrix")}
        values["wait_ms"] = (self._began_s - one.arrived_s) * 1000
        is_inverted = head.filters.count("invert") % 2
        planes = inverted(one) if is_inverted else one.planes
        return wire.pack_result(ResultHeader(kind=ResultKind.FRAME, **values), planes)

    def _status(self, endpoint: str, now_s: float) -> StatusHeader:
        schema = BUSY_SCHEMA if self.has_test_params else SCHEMA
        offered = tuple(
            FilterStatus(
                name=name, title=name.title(), state=FilterState.LOADED, keeps_state=False, schema=schema
            )
            for name in self.filters
        )
        return StatusHeader(
            worker=self.id,
            frames_endpoint=endpoint,
            device="cpu (light)",
            filters=offered,
            busy=float(bool(self._batch)),
            batch_size=float(len(self._batch)),
            loop_state=LoopState.BATCH if self._batch else LoopState.IDLE,
            loop_state_ms=(now_s - self._began_s) * 1000,
            loop_usual_ms=self._usual_ms,
            draining=self.is_draining,
        )


def inverted(one: Waiting) -> bytes:
    """Return the planes of the negative."""
    planes = np.frombuffer(one.planes, np.uint8)
    luma = one.header.width * one.header.height
    return np.concatenate((LUMA[one.header.colour_range][planes[:luma]], CHROMA[planes[luma:]])).tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signaling", required=True)
    parser.add_argument("--filters", required=True)
    parser.add_argument("--slow-ms", type=float, default=0.0)
    parser.add_argument("--test-params", action="store_true")
    parser.add_argument("--frames-bind", default="")
    parser.add_argument("--link-keys", type=Path)
    given = parser.parse_args()
    keys = link_keys.load(given.link_keys, "worker") if given.link_keys else None
    worker = LightWorker(
        tuple(given.filters.split(",")),
        given.signaling.split(","),
        given.slow_ms,
        given.test_params,
        given.frames_bind,
        keys,
    )

    def drain(number: int, frame: object) -> None:
        worker.is_draining = True

    def hang(number: int, frame: object) -> None:
        worker.hangs_until_s = time.monotonic() + HANG_S

    signal.signal(signal.SIGTERM, drain)
    signal.signal(signal.SIGINT, drain)
    signal.signal(signal.SIGUSR1, hang)
    worker.run()


if __name__ == "__main__":
    main()
