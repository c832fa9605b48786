"""Who is in a batch of pictures, as the stages of the network hand it on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

PERSON_COLUMNS = 10
"""Box for the network, box in the picture, number of the picture, rank."""


class People(NamedTuple):
    """One row per person, unused ones last."""

    network_boxes: Tensor
    """(M, 4) float32, in pixels of the network's input."""
    boxes: Tensor
    """(M, 4) float32, in pixels of the picture, within it."""
    picture: Tensor
    """(M,) int64."""
    rank: Tensor
    """(M,) int64: 0 is the best of its picture; -1 for one that is not to be drawn."""

    @classmethod
    def unpack(cls, rows: Tensor) -> People:
        """Read (M, PERSON_COLUMNS) float32 as `find` makes them."""
        return cls(rows[:, :4], rows[:, 4:8], rows[:, 8].to(torch.int64), rows[:, 9].to(torch.int64))


class Found(NamedTuple):
    """What `find` returns, all of it on the device."""

    features: tuple[Tensor, ...]
    people: Tensor
    """(at least N * max_people, PERSON_COLUMNS) float32; see `People`, and `Network.fit`."""
    summary: Tensor
    """(2,) int32: number of people, number of suppressions that have not settled."""
    poison: Tensor
    """(N,) float32: 0, or NaN for a picture for which the network's output is not finite."""
