"""Filters that are made of this folder's networks: what they record on a GPU while they already serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from inference_service.filters.base import Filter, Piece
from inference_service.filters.vision.networks.graphs import LEAST_FALLBACK, Recorder, Unrecorded, can_record
from inference_service.filters.vision.networks.people.network import Network
from inference_service.filters.vision.networks.people.recordable import Recordable

MOST_ROWS = 64
"""Of one call: pictures, or places in them, of which a picture has several."""


def can_record_on(device: torch.device) -> bool:
    """Tell whether there are CUDA graphs; for tests, too, which have no GPU."""
    return device.type == "cuda"


class OwnNetworks(Filter):
    """Base of such filters. A worker puts what `load` has made and may be recorded into `recordables`."""

    recordables: Sequence[Recordable] = ()

    def gains_from_threads(self) -> bool:
        """Tell whether torch runs a network: all else is steps so small that threads wait for each other."""
        networks = [one for one in self.recordables if isinstance(one, Network)]
        return not networks or any(one.runtime == "torch" for one in networks)

    def recordings(self) -> Iterator[Piece]:
        """Record each by its number of rows: their inputs have one size, whatever the camera's is."""
        parts = [one for one in self.recordables if can_record_on(one.device)]
        if not parts or not getattr(self.settings, "cuda_graphs", True):
            return
        if not can_record():
            self.fallbacks.append(LEAST_FALLBACK)
            return
        # One pool, since all of them run one after the other.
        recorder, unrecorded = Recorder(parts[0].device), Unrecorded(parts[0].device)
        try:
            for number, one in enumerate(parts, 1):
                yield from one.pieces(MOST_ROWS, recorder, unrecorded, f"part {number}")
        finally:
            self.fallbacks += unrecorded.fallbacks()
