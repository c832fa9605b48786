"""What a filter starts on a GPU for a batch, counted on a pretended one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch

from harness import kernels
from harness.counting import Work, count
from harness.interpreted import interpreted
from harness.one_batch import run
from harness.pretended_gpu import CUDA, pretended_gpu
from harness.recomputed import Recomputed, Roomy
from inference_service.filters import loading
from inference_service.filters.base import Filter, Item
from inference_service.filters.installed import installed
from inference_service.filters.vision.networks.people import recorded

MOST_ROWS = 16
"""Of what is recorded here: eight faces of two cameras."""


@dataclass(slots=True)
class Launches:
    """Of one batch in the middle of a call."""

    eager: Work
    recorded: Work
    """Once the filter has recorded what it can."""
    by_kernels: Work
    """Besides with each kernel of the project, as if all were faster than torch's operators."""
    planes: npt.NDArray[np.uint8]
    """(H * 3 / 2, W) I420: the first camera's picture, eager."""
    planes_by_kernels: npt.NDArray[np.uint8]
    """The same picture by kernels."""
    recorded_planes: npt.NDArray[np.uint8]
    """The same from the recordings."""


def launches(
    name: str, planes: npt.NDArray[np.uint8], cameras: int = 2, settings: Mapping[str, Any] | None = None
) -> Launches:
    """Count the second frame of so many cameras, of which each shows `planes`, (H * 3 / 2, W) I420."""
    kernels.interpret()
    with pretended_gpu(), _recording():
        made = loaded(name, settings or {})
        items = _items(made, cameras)
        run(made, planes, items, CUDA)
        others = [replace(item, state=dict(item.state)) for item in items]
        shown: list[npt.NDArray[np.uint8]] = []
        eager = count(lambda: shown.append(run(made, planes, items, CUDA)))
        with torch.inference_mode():
            for piece in made.recordings():
                piece()
        recorded_planes = run(made, planes, others, CUDA)
        with patch.object(Recomputed, "is_counted", True):
            replayed = count(lambda: run(made, planes, items, CUDA))
            with interpreted() as launched:
                by_kernels = count(lambda: run(made, planes, items, CUDA))
            by_kernels.operators.update(launched.operators)
            by_kernels.moved_bytes += launched.moved_bytes
        with interpreted():
            items = _items(made, cameras)
            run(made, planes, items, CUDA)
            shown.append(run(made, planes, items, CUDA))
        if made.fallbacks:
            raise RuntimeError(f"{name} {made.fallbacks[0].text}")
        return Launches(eager, replayed, by_kernels, shown[0], shown[1], recorded_planes)


def _items(made: Filter, cameras: int) -> list[Item]:
    return [Item(bytes([number] * 16), 0, made.Params(), {}) for number in range(cameras)]


@torch.inference_mode()
def loaded(name: str, settings: Mapping[str, Any]) -> Filter:
    """Return a filter of the box on the pretended GPU, within which this is called."""
    with tempfile.TemporaryDirectory() as folder:
        return loading.load(installed()[name].load(), CUDA, settings, Path(folder))


@contextmanager
def _recording() -> Iterator[None]:
    with (
        patch.object(recorded, "Recorder", Roomy),
        patch.object(recorded, "can_record", lambda: True),
        patch.object(recorded, "MOST_ROWS", MOST_ROWS),
    ):
        yield
