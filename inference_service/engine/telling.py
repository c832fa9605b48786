"""Data that filters tell beside their pictures: gathered over a chain, and packed for each frame."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from inference_service.errors import BadResult
from inference_service.filters.base import Filter, Item, Later
from shared.wire.data import Data, pack_data

logger = logging.getLogger(__name__)

_told: set[str] = set()
"""Filters whose data could not travel: told once each."""


class Telling:
    """Of one batch. `add` belongs to the loop, `packed` to the thread that finishes the batch."""

    def __init__(self) -> None:
        self._given: list[tuple[str, Sequence[Data | None] | Later]] = []

    def add(self, one: Filter, data: Sequence[Data | None] | Later, items: Sequence[Item]) -> None:
        """Keep what a filter tells of the batch; what lies on a GPU begins to cross, and nothing waits.

        Raises BadResult where it is not of as many pictures as there are.
        """
        if not any(item.wants_data for item in items):
            return
        if isinstance(data, Later):
            count = len(data.rows)
            if data.rows.is_cuda:
                # On the filters' stream, after which the pictures cross: they arrive together.
                host = torch.empty(data.rows.shape, dtype=data.rows.dtype, pin_memory=True)
                data = Later(host.copy_(data.rows, non_blocking=True), data.read)
            else:
                # Read in another thread, when the filter may have written there again.
                data = Later(data.rows.clone(), data.read)
        else:
            count = len(data)
        if count != len(items):
            raise BadResult(one.name, f"told data of {count} pictures, expected {len(items)}")
        self._given.append((one.name, data))

    def packed(self, place: int) -> bytes:
        """Return the data of one picture of the batch, once it has arrived; empty where there is none.

        What cannot travel is left out, and told in the log once.
        """
        told: dict[str, Data] = {}
        for name, data in self._given:
            try:
                one = data.read(data.rows[place].numpy()) if isinstance(data, Later) else data[place]
                if one is not None:
                    pack_data({name: one})
                    told[name] = one
            except Exception as exc:
                _tell(name, exc)
        try:
            return pack_data(told) if told else b""
        except ValueError as exc:
            _tell(", ".join(told), exc)
            return b""


def _tell(name: str, exc: Exception) -> None:
    if name not in _told and len(_told) < 256:
        _told.add(name)
        logger.warning("filter %s: its data cannot travel: %s: %s", name, type(exc).__name__, exc)
