"""The way of a batch to the device and back.

On a GPU three streams work at once: one batch is computed, the next is uploaded, and the last one is
downloaded. Each copies from or to page-locked memory of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from inference_service.device.laps import Stages

Planes = npt.NDArray[np.uint8]
"""(H * 3 / 2, W) uint8: the packed I420 planes of one frame."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A batch back in host memory; a GPU's is valid until `Crossing.close`."""

    planes_i420: npt.NDArray[np.uint8]
    """(N, H * 3 / 2, W)."""
    spoiled: npt.NDArray[np.uint8]
    """(N,): 0, or the number, from 1 on, of the chain's first filter that left a NaN or an infinity there."""


class Crossing(Protocol):
    """One batch under way; the same for every device."""

    stages: Stages

    def upload(self, planes: Sequence[Planes]) -> torch.Tensor:
        """Return (N, H * 3 / 2, W) on the device, in memory of its own."""

    def download(self, i420: torch.Tensor, spoiled: torch.Tensor | None) -> None:
        """Begin to bring the batch back; `spoiled` (N,) uint8 as in `Arrived`, None where none can be."""

    def arrive(self) -> Arrived:
        """Wait for what `download` began."""

    def close(self) -> None:
        """Let the next batch have the memory; safe to call twice."""


class Crossings(Protocol):
    """Where the batches of one device begin."""

    def begin(self) -> Crossing:
        """Take memory for one more batch."""

    def computing(self) -> AbstractContextManager[None]:
        """Make the device, and its stream for filters, the current ones."""


class CpuCrossings:
    """Nothing to cross: pictures stay in host memory."""

    def begin(self) -> Crossing:
        return _CpuCrossing()

    @contextmanager
    def computing(self) -> Iterator[None]:
        yield


class _CpuCrossing:
    def __init__(self) -> None:
        self.stages = Stages(torch.device("cpu"))
        self._arrived: Arrived | None = None

    def upload(self, planes: Sequence[Planes]) -> torch.Tensor:
        with self.stages.lap("upload"):
            return torch.from_numpy(np.stack(planes))

    def download(self, i420: torch.Tensor, spoiled: torch.Tensor | None) -> None:
        flags = np.zeros(len(i420), np.uint8) if spoiled is None else spoiled.numpy()
        self._arrived = Arrived(i420.contiguous().numpy(), flags)

    def arrive(self) -> Arrived:
        assert self._arrived is not None
        return self._arrived

    def close(self) -> None:
        self._arrived = None


@dataclass(slots=True)
class _Pinned:
    """Page-locked memory for one batch each way; grown to the largest batch that came."""

    upload: torch.Tensor
    download: torch.Tensor
    spoiled: torch.Tensor


class GpuCrossings:
    """Streams and page-locked memory of one GPU. `begin` and `close` are safe for several threads."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.uploading = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.filtering = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.downloading = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        # As many as there are batches under way at once, which the loop bounds, and one that is packed.
        self._free: list[_Pinned] = []
        self._lock = threading.Lock()

    def begin(self) -> Crossing:
        with self._lock:
            pinned = self._free.pop() if self._free else _Pinned(*(_page_locked(0) for _ in range(3)))
        return _GpuCrossing(self, pinned)

    @contextmanager
    def computing(self) -> Iterator[None]:
        with torch.cuda.device(self.device), torch.cuda.stream(self.filtering):
            yield

    def give_back(self, pinned: _Pinned) -> None:
        with self._lock:
            self._free.append(pinned)


class _GpuCrossing:
    def __init__(self, crossings: GpuCrossings, pinned: _Pinned) -> None:
        self.stages = Stages(crossings.device)
        self._crossings = crossings
        self._pinned: _Pinned | None = pinned
        self._uploaded: torch.cuda.Event | None = None
        self._arrived: torch.cuda.Event | None = None
        self._views: tuple[torch.Tensor, torch.Tensor | None] | None = None

    def upload(self, planes: Sequence[Planes]) -> torch.Tensor:
        assert self._pinned is not None
        shape = (len(planes), *planes[0].shape)
        self._pinned.upload = _grown(self._pinned.upload, shape)
        host = _view(self._pinned.upload, shape)
        for one, into in zip(planes, host.numpy(), strict=True):
            np.copyto(into, one)
        filtering = torch.cuda.current_stream(self._crossings.device)
        with torch.cuda.stream(self._crossings.uploading), self.stages.lap("upload"):
            i420 = host.to(self._crossings.device, non_blocking=True)
        self._uploaded = _recorded(self._crossings.uploading)
        filtering.wait_event(self._uploaded)
        # Made on one stream, read on another: its memory must not be given away meanwhile.
        i420.record_stream(filtering)
        return i420

    def download(self, i420: torch.Tensor, spoiled: torch.Tensor | None) -> None:
        assert self._pinned is not None
        i420 = i420.contiguous()
        self._pinned.download = _grown(self._pinned.download, tuple(i420.shape))
        host = _view(self._pinned.download, tuple(i420.shape))
        flags = None
        downloading = self._crossings.downloading
        downloading.wait_event(_recorded(torch.cuda.current_stream(self._crossings.device)))
        with torch.cuda.stream(downloading), self.stages.lap("download"):
            host.copy_(i420, non_blocking=True)
            i420.record_stream(downloading)
            if spoiled is not None:
                self._pinned.spoiled = _grown(self._pinned.spoiled, tuple(spoiled.shape))
                flags = _view(self._pinned.spoiled, tuple(spoiled.shape))
                flags.copy_(spoiled, non_blocking=True)
                spoiled.record_stream(downloading)
        self._arrived = _recorded(downloading)
        self._views = host, flags

    def arrive(self) -> Arrived:
        assert self._arrived is not None
        assert self._views is not None
        self._arrived.synchronize()
        host, flags = self._views
        spoiled = np.zeros(len(host), np.uint8) if flags is None else flags.numpy().copy()
        return Arrived(host.numpy(), spoiled)

    def close(self) -> None:
        if self._pinned is None:
            return
        pinned, self._pinned, self._views = self._pinned, None, None
        # A batch that failed half-way may still be crossing; an event of a dead GPU raises, and then the
        # memory is better lost than shared.
        for event in (self._uploaded, self._arrived):
            if event is not None:
                event.synchronize()
        self._crossings.give_back(pinned)


def _recorded(stream: torch.cuda.Stream) -> torch.cuda.Event:
    # Blocking: a thread that spins while it waits would take a core from those that work.
    event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record(stream)
    return event


def _page_locked(size: int) -> torch.Tensor:
    return torch.empty(size, dtype=torch.uint8, pin_memory=size > 0)


def _grown(buffer: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    size = int(np.prod(shape))
    return buffer if buffer.numel() >= size else _page_locked(size)


def _view(buffer: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return buffer[: int(np.prod(shape))].view(shape)
