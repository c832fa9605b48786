"""What a filter may record on a GPU: networks, and functions of many small steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from inference_service.filters.base import Fallback, Piece
from inference_service.filters.vision.networks.graphs import SMALL, TINY, Recorder, Unrecorded
from inference_service.filters.vision.networks.replays import Replays


class Recordable(Protocol):
    """Called with batches, rows first; recorded by their number."""

    device: torch.device
    fallback: Fallback | None
    """What it does without since it was loaded."""
    on_fallback: Callable[[Fallback], object]
    """Called, in the thread of a call, with what it does without from then on."""

    def pieces(self, most: int, recorder: Recorder, unrecorded: Unrecorded, name: str) -> Iterator[Piece]:
        """Give the pieces that record calls of up to `most` rows."""


_GATHERED: ContextVar[list[Recordable] | None] = ContextVar("what is being loaded", default=None)


@contextmanager
def gathered() -> Iterator[list[Recordable]]:
    """Give the list of what the body makes and may be recorded."""
    found: list[Recordable] = []
    token = _GATHERED.set(found)
    try:
        yield found
    finally:
        _GATHERED.reset(token)


def note(made: Recordable) -> None:
    """Add it to the list of whoever gathers."""
    if (found := _GATHERED.get()) is not None:
        found.append(made)


MOST_ROWS = 16
"""Of steps, unless more are asked for."""
WIDE_BYTES = 256 << 10
"""Rows of more than this take a GPU the longer the more there are."""


class Row(NamedTuple):
    """One row of what a function is given."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32


def floats(*shape: int) -> Row:
    """Return a row of float32."""
    return Row(shape)


def flags(*shape: int) -> Row:
    """Return a row of bool."""
    return Row(shape, torch.bool)


class Steps:
    """A function of tensors, rows first: on a GPU one launch instead of many, once it is recorded.

    Nothing in it may wait for the device or come from the host, and no row's result may depend on another's.
    """

    def __init__(
        self,
        device: torch.device,
        function: Callable[..., tuple[Tensor, ...]],
        *rows: Row,
        most: int = MOST_ROWS,
        is_lent: bool = False,
    ) -> None:
        """`rows` are those of the inputs; with other shapes the function is called as it is.

        `most`: so many rows are recorded at most, where more keep a GPU busy anyhow. What `is_lent` may be
        written over by the next call, and must not leave the stream: it saves a copy of each result.
        """
        self.device = device
        self.fallback: Fallback | None = None
        self.on_fallback: Callable[[Fallback], object] = lambda fallback: None
        self._function = function
        self._rows = rows
        self._most = most
        self._is_lent = is_lent
        row_bytes = sum(math.prod(row.shape) * row.dtype.itemsize for row in rows)
        self._replays = Replays(SMALL if row_bytes > WIDE_BYTES else TINY)
        note(self)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the function's results."""
        key = tuple(tuple(one.shape[1:]) for one in inputs)
        return self._replays.run(key, self._function, *inputs, is_lent=self._is_lent)

    def pieces(self, most: int, recorder: Recorder, unrecorded: Unrecorded, name: str) -> Iterator[Piece]:
        """Give the pieces that record calls of up to `most` rows."""
        count = min(most, self._most)
        inputs = tuple(
            torch.zeros(count, *row.shape, dtype=row.dtype, device=self.device) for row in self._rows
        )
        key = tuple(row.shape for row in self._rows)
        yield from self._replays.pieces(key, self._function, inputs, recorder, unrecorded, name)
