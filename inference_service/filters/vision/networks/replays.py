"""Functions of whole batches, recorded as CUDA graphs by their number of rows; else done at once.

Rows beyond those that are given hold what an earlier batch left there: no row's result depends on another's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from inference_service.filters.base import Piece
from inference_service.filters.vision.networks.graphs import (
    BATCHES,
    Recorded,
    Recorder,
    Unrecorded,
    bucket,
    descending,
)

Function = Callable[..., tuple[Tensor, ...]]
"""Of tensors with rows first; so has each of its results."""


class Replays:
    """`run` belongs to the loop, the pieces to the loader."""

    def __init__(self, sizes: Sequence[int] = BATCHES) -> None:
        """`sizes` are the numbers of rows that are recorded, ascending."""
        self._sizes = sizes
        self._made: dict[tuple[Hashable, int], Recorded[tuple[Tensor, ...]]] = {}

    def run(
        self, key: Hashable, function: Function, *inputs: Tensor, is_lent: bool = False
    ) -> tuple[Tensor, ...]:
        """Return `function(*inputs)`; `key` names the function and its shapes.

        What `is_lent` may be written over by the next call, also by that of another function which was
        recorded before with the same recorder: its steps may compute there. It is for this stream alone.
        """
        count = len(inputs[0])
        recorded = self._made.get((key, bucket(count, self._sizes)))
        if recorded is None:
            return function(*inputs)
        results = replayed(recorded, inputs)
        return results if is_lent else tuple(one.clone() for one in results)

    def has(self, key: Hashable) -> bool:
        """Tell whether anything of this key is recorded."""
        return any(one == key for one, _ in list(self._made))

    def pieces(
        self,
        key: Hashable,
        function: Function,
        inputs: tuple[Tensor, ...],
        recorder: Recorder,
        unrecorded: Unrecorded,
        name: str,
    ) -> Iterator[Piece]:
        """Give the pieces that record `function`; its inputs for fewer rows are the first of `inputs`."""
        for count in descending(len(inputs[0]), self._sizes):
            rows = tuple(one[:count] for one in inputs)
            yield partial(
                self._record, (key, count), function, rows, recorder, unrecorded, f"{count} of {name}"
            )

    @torch.inference_mode()
    def _record(
        self,
        place: tuple[Hashable, int],
        function: Function,
        inputs: tuple[Tensor, ...],
        recorder: Recorder,
        unrecorded: Unrecorded,
        work: str,
    ) -> None:
        with unrecorded.noted(work):
            self._made[place] = recorder.record(function, inputs)


def replayed(recorded: Recorded[Any], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return what a recording makes of fewer rows than it has; the next replay writes there again."""
    count = len(inputs[0])
    for static, given in zip(recorded.inputs, inputs, strict=True):
        static[:count].copy_(given)
    return tuple(one[:count] for one in recorded.replay())
