"""Runs the network's stages for one batch, with CUDA graphs where there are any and one wait for the device.

The host must know how many people there are before it can start what is done for each of them. It asks for
the number right after `find`, starts `decode`, and only then waits for the answer. By then the answer is
there, and the device is still decoding.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.base import Piece
from inference_service.filters.densepose.grid import Grid
from inference_service.filters.densepose.network import Network
from inference_service.filters.densepose.people import Found, People
from inference_service.filters.vision.networks.graphs import (
    BATCHES,
    CROWDS,
    Recorded,
    Recorder,
    Unrecorded,
    bucket,
    descending,
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
    """The recordings of `search` and `decode` for one number of pictures and size of the network's input."""

    grid: Grid
    """Kept with them, since they read it where it lies."""
    search: Recorded[Found]
    decode: Recorded[Tensor]


class Runner:
    """`see` belongs to one thread, and all its batches to one stream; `record` may go on in another."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.device = network.device
        self._grids: OrderedDict[tuple[int, int], Grid] = OrderedDict()
        self._answer: Tensor | None = None
        self._answered: torch.cuda.Event | None = None
        if self.device.type == "cuda":
            self._answer = torch.empty(2, dtype=torch.int32, pin_memory=True)
            # Blocking: it lasts for most of a batch, and a thread that spins would take a core for it.
            self._answered = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._findings: dict[tuple[int, int, int], _Finding] = {}
        self._crowds: dict[int, Recorded[Tensor]] = {}
        self.unrecorded = Unrecorded(self.device)
        self.unsettled = 0
        """How many suppressions were cut short so far; their pictures may show a person twice."""

    @property
    def largest(self) -> int | None:
        """The most pictures that are recorded together; None where none are."""
        return max((batch for batch, *_ in self._findings), default=None)

    def recordings(
        self, sizes: Sequence[tuple[int, int]], max_batch: int, max_people: int
    ) -> Iterator[Piece]:
        """Give the pieces that record graphs, for up to so many pictures and people, `sizes` (height, width).

        Needs a network on a GPU. What cannot be recorded is noted, and done without. There are two memory
        pools, since `pool` reads what `decode` wrote, and people are needed until the picture is painted:
        nothing recorded for a crowd may lie there. All sizes share them.
        """
        finder, segmenter = Recorder(self.device), Recorder(self.device)
        grids: dict[tuple[int, int], Grid] = {}
        for grid in map(self._network.grid, sizes):
            grids.setdefault(grid.network, grid)
        for number, grid in enumerate(grids.values()):
            height, width = grid.network
            for batch in descending(max_batch, BATCHES):
                work = f"{batch} of {width}x{height}"
                yield partial(self._record_finding, work, finder, batch, grid)
            if not number:
                for crowd in descending(max_people, CROWDS):
                    yield partial(self._record_crowd, f"{crowd} people", segmenter, crowd)

    @torch.inference_mode()
    def run_once(self, size: tuple[int, int]) -> None:
        """Do what is compiled for one picture of `size` (height, width), which is thrown away."""
        grid = self._network.grid(size)
        shrunk, min_scores = self._nothing(1, grid)
        self._decode(*self._network.search(shrunk, min_scores, grid).features)

    @torch.inference_mode()
    def see(self, pictures: Tensor, min_scores: Tensor) -> Seen:
        """Return who is in (N, 3, H, W) uint8 RGB `pictures`, scored above `min_scores`, (N,) float32."""
        n = len(pictures)
        grid = self._grid((pictures.shape[2], pictures.shape[3]))
        shrunk = self._network.shrink(pictures, grid)
        finding = self._findings.get((bucket(n, BATCHES), *grid.network))
        if finding is None:
            if self.device.type == "cuda":
                shrunk, min_scores = filled(shrunk, min_scores)
            found = self._network.search(shrunk, min_scores, grid)
            self._ask(found.summary)
            decoded = self._network.decode(found.features)
        else:
            static_pictures, static_scores = finding.search.inputs
            static_pictures[:n].copy_(shrunk)
            static_scores[:n].copy_(min_scores)
            static_scores[n:].fill_(NOBODY)
            found = finding.search.replay()
            self._ask(found.summary)
            decoded = finding.decode.replay()
        count = self._told(found.summary)
        poison = found.poison[:n]
        if count == 0:
            return Seen(People.unpack(found.people[:0]), None, poison)
        crowd = self._crowd_size(count, len(found.people))
        people = People.unpack(self._network.fit(found.people[:crowd], grid))
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
        return min(bucket(count, CROWDS), capacity) if self.device.type == "cuda" else count

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

    @torch.inference_mode()
    def _record_finding(self, work: str, recorder: Recorder, batch: int, grid: Grid) -> None:
        with self.unrecorded.noted(work):
            search = recorder.record(partial(self._search, grid), self._nothing(batch, grid))
            decode = recorder.record(self._decode, search.result.features)
            # Both at once: batches may take them from here on.
            self._findings[(batch, *grid.network)] = _Finding(grid, search, decode)

    def _nothing(self, batch: int, grid: Grid) -> tuple[Tensor, Tensor]:
        """Return black pictures of the network's size, in which nobody is found."""
        shrunk = torch.zeros(batch, 3, *grid.network, dtype=torch.uint8, device=self.device)
        return shrunk, torch.full((batch,), NOBODY, device=self.device)

    def _search(self, grid: Grid, shrunk: Tensor, min_scores: Tensor) -> Found:
        return self._network.search(shrunk, min_scores, grid)

    def _decode(self, *features: Tensor) -> Tensor:
        return self._network.decode(features)

    @torch.inference_mode()
    def _record_crowd(self, work: str, recorder: Recorder, crowd: int) -> None:
        pooled = torch.zeros(
            crowd, *self._network.person_shape, dtype=self._network.dtype, device=self.device
        )
        if self._network.is_half:
            pooled = pooled.to(memory_format=torch.channels_last)
        with self.unrecorded.noted(work):
            self._crowds[crowd] = recorder.record(self._network.segment, (pooled,))


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
