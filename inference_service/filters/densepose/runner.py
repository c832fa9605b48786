"""Runs the network's stages for one batch, with CUDA graphs where there are any and one wait for the device.

The host must know how many people there are before it can start what is done for each of them. It asks for
the number right after `find`, starts `decode`, and only then waits for the answer. By then the answer is
there, and the device is still decoding.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.densepose.grid import Grid
from inference_service.filters.densepose.network import Network
from inference_service.filters.densepose.people import Found, People
from inference_service.filters.vision.networks.graphs import (
    BATCHES,
    CROWDS,
    Recorded,
    Recorder,
    bucket,
    descending,
    noted,
)

logger = logging.getLogger(__name__)

MAX_GRIDS = 16
NOBODY = 2.0
"""A lowest score that no score reaches."""


class Seen(NamedTuple):
    """What the network saw in N pictures."""

    people: People
    maps: Tensor | None
    """(M, 27, h, w), one per row of `people`; None where there is nobody."""
    poison: Tensor
    """(N,) float32: 0, or NaN where the network's output for a picture is not finite."""


@dataclass(slots=True)
class _Finding:
    """The recordings of `find` and `decode` for one number and size of pictures."""

    grid: Grid
    """Kept with them, since they read it where it lies."""
    find: Recorded[Found]
    decode: Recorded[Tensor]


class Runner:
    """One thread only, and all batches on one stream."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._device = network.device
        self._grids: OrderedDict[tuple[int, int], Grid] = OrderedDict()
        self._answer: Tensor | None = None
        self._answered: torch.cuda.Event | None = None
        if self._device.type == "cuda":
            self._answer = torch.empty(2, dtype=torch.int32, pin_memory=True)
            # Blocking: it lasts for most of a batch, and a thread that spins would take a core for it.
            self._answered = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._findings: dict[tuple[int, int, int], _Finding] = {}
        self._crowds: dict[int, Recorded[Tensor]] = {}
        self._recorders: tuple[Recorder, Recorder] | None = None
        self.unrecorded: list[str] = []
        """What is done without a recording, since that has failed."""
        self.unsettled = 0
        """How many suppressions were cut short so far; their pictures may show a person twice."""

    @torch.inference_mode()
    def record(self, size: tuple[int, int], max_batch: int, max_people: int) -> None:
        """Record graphs for pictures of `size` (height, width), for up to so many of them and of people.

        Needs a network on a GPU. What cannot be recorded is noted, and done without. There are two memory
        pools, since `pool` reads what `decode` wrote, and people are needed until the picture is painted:
        nothing recorded for a crowd may lie there. All sizes share them.
        """
        if self._recorders is None:
            self._recorders = Recorder(self._device), Recorder(self._device)
        finder, segmenter = self._recorders
        height, width = size
        for batch in descending(max_batch, BATCHES):
            with noted(self.unrecorded, "densepose", f"{batch} of {width}x{height}"):
                self._findings[(batch, *size)] = self._record_finding(finder, batch, size)
        for crowd in descending(max_people, CROWDS):
            if crowd not in self._crowds:
                with noted(self.unrecorded, "densepose", f"{crowd} people"):
                    self._crowds[crowd] = self._record_crowd(segmenter, crowd)

    @torch.inference_mode()
    def run_once(self, size: tuple[int, int]) -> None:
        """Do what is compiled for one picture of `size` (height, width), which is thrown away."""
        pictures = torch.zeros(1, 3, *size, dtype=torch.uint8, device=self._device)
        min_scores = torch.full((1,), NOBODY, device=self._device)
        self._decode(*self._find(self._network.grid(size), pictures, min_scores).features)

    @torch.inference_mode()
    def see(self, pictures: Tensor, min_scores: Tensor) -> Seen:
        """Return who is in (N, 3, H, W) uint8 RGB `pictures`, scored above `min_scores`, (N,) float32."""
        n = len(pictures)
        size = (pictures.shape[2], pictures.shape[3])
        finding = self._findings.get((bucket(n, BATCHES), *size))
        grid = self._grid(size) if finding is None else finding.grid
        if finding is None:
            if self._device.type == "cuda":
                pictures, min_scores = filled(pictures, min_scores)
            found = self._network.find(pictures, min_scores, grid)
            self._ask(found.summary)
            decoded = self._network.decode(found.features)
        else:
            static_pictures, static_scores = finding.find.inputs
            static_pictures[:n].copy_(pictures)
            static_scores[:n].copy_(min_scores)
            static_scores[n:].fill_(NOBODY)
            found = finding.find.replay()
            self._ask(found.summary)
            decoded = finding.decode.replay()
        count = self._told(found.summary)
        poison = found.poison[:n]
        if count == 0:
            return Seen(People.unpack(found.people[:0]), None, poison)
        crowd = self._crowd_size(count, len(found.people))
        people = People.unpack(found.people[:crowd])
        maps = self._segmented(self._network.pool(decoded, people, grid))
        is_drawn = people.rank >= 0
        # A person that is not finite spoils its own picture, and no other.
        spoilt = torch.where(is_drawn, maps.flatten(1).sum(1, dtype=torch.float32) * 0, 0)
        return Seen(people, maps, poison.index_add(0, torch.where(is_drawn, people.picture, 0), spoilt))

    def _segmented(self, pooled: Tensor) -> Tensor:
        recorded = self._crowds.get(len(pooled))
        if recorded is None:
            return self._network.segment(pooled)
        recorded.inputs[0].copy_(pooled)
        return recorded.replay()

    def _crowd_size(self, count: int, capacity: int) -> int:
        # Without recordings too: an allocator and a cuDNN that see few shapes serve faster.
        return min(bucket(count, CROWDS), capacity) if self._device.type == "cuda" else count

    def _ask(self, summary: Tensor) -> None:
        if self._answer is not None and self._answered is not None:
            self._answer.copy_(summary, non_blocking=True)
            self._answered.record()

    def _told(self, summary: Tensor) -> int:
        """Wait for the number of people; the one wait of a batch."""
        if self._answer is not None and self._answered is not None:
            self._answered.synchronize()
            summary = self._answer
        count, unsettled = summary.tolist()
        if unsettled:
            if not self.unsettled:
                logger.warning("densepose: suppression was cut short; a person may be drawn twice")
            self.unsettled += unsettled
        return int(count)

    def _grid(self, size: tuple[int, int]) -> Grid:
        grid = self._grids.get(size)
        if grid is None:
            grid = self._grids[size] = self._network.grid(size)
            if len(self._grids) > MAX_GRIDS:
                self._grids.popitem(last=False)
        else:
            self._grids.move_to_end(size)
        return grid

    def _record_finding(self, recorder: Recorder, batch: int, size: tuple[int, int]) -> _Finding:
        grid = self._grid(size)
        pictures = torch.zeros(batch, 3, *size, dtype=torch.uint8, device=self._device)
        min_scores = torch.full((batch,), NOBODY, device=self._device)
        find = recorder.record(partial(self._find, grid), (pictures, min_scores))
        return _Finding(grid, find, recorder.record(self._decode, find.result.features))

    def _find(self, grid: Grid, pictures: Tensor, min_scores: Tensor) -> Found:
        return self._network.find(pictures, min_scores, grid)

    def _decode(self, *features: Tensor) -> Tensor:
        return self._network.decode(features)

    def _record_crowd(self, recorder: Recorder, crowd: int) -> Recorded[Tensor]:
        pooled = torch.zeros(
            crowd, *self._network.person_shape, dtype=self._network.dtype, device=self._device
        )
        if self._network.is_half:
            pooled = pooled.to(memory_format=torch.channels_last)
        return recorder.record(self._network.segment, (pooled,))


def filled(pictures: Tensor, min_scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return both with black pictures in which nobody is found, as many as a recording would have.

    An allocator and a cuDNN that see few shapes serve faster.
    """
    n = len(pictures)
    full = bucket(n, BATCHES)
    if full == n:
        return pictures, min_scores
    more = pictures.new_zeros(full - n, *pictures.shape[1:])
    return torch.cat((pictures, more)), nnf.pad(min_scores, (0, full - n), value=NOBODY)
