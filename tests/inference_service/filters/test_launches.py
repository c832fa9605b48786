"""Filters on a pretended GPU: they wait for nothing, and show what they show on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from harness.launches import launches
from harness.one_batch import run
from harness.photograph import read_astronaut
from inference_service.filters import loading
from inference_service.filters.base import Item
from inference_service.filters.installed import installed

pytestmark = pytest.mark.triton
CPU = torch.device("cpu")
SIZE = (320, 240)
FLOAT32 = {"precision": "float32"}


class Most(NamedTuple):
    """Bounds of a batch of one camera: what was counted and 5 %."""

    launches: tuple[int, int, int]
    """Eager, recorded, by kernels too."""
    mb: tuple[float, float, float]
    """Likewise: 10 ** 6 bytes that are read and written."""
    apart: float
    """Mean difference of levels from the CPU's picture."""
    settings: dict[str, str] | None = None


FILTERS = {
    "passthrough": Most((2, 2, 2), (0.3, 0.3, 0.3), 0.1),
    "invert": Most((34, 34, 4), (22.6, 22.6, 1.5), 0.1),
    "ink": Most((68, 68, 38), (52.5, 52.5, 31.5), 0.2),
    "grade": Most((63, 63, 34), (52.5, 52.5, 31.5), 0.2),
    "light": Most((280, 280, 246), (39.8, 39.8, 29.6), 0.1, FLOAT32),
    "background": Most((385, 242, 47), (200.0, 136.0, 24.5), 0.2, FLOAT32),
    "frame": Most((332, 332, 280), (31.6, 31.6, 1.5), 0.3, FLOAT32),
    "pose": Most((1183, 454, 216), (1073.9, 307.3, 45.2), 0.8, FLOAT32),
    "face": Most((2213, 307, 186), (744.3, 203.6, 51.4), 0.1, FLOAT32),
    "makeup": Most((1583, 222, 173), (955.0, 115.0, 75.4), 0.1, FLOAT32),
    "animal": Most((1606, 301, 165), (930.1, 518.2, 44.6), 0.2, FLOAT32),
}
QUICK = ("passthrough", "invert", "ink", "grade")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FILTERS]
)
@pytest.mark.timeout(400)  # Interpreted kernels are slow.
def test_a_filter_on_a_gpu_waits_for_nothing_and_shows_what_a_cpu_shows(name: str, tmp_path: Path) -> None:
    most = FILTERS[name]
    planes: npt.NDArray[np.uint8] = cv2.cvtColor(read_astronaut(SIZE), cv2.COLOR_RGB2YUV_I420).astype(
        np.uint8
    )
    found = launches(name, planes, 1, most.settings)
    assert found.eager.waits == found.recorded.waits == {}
    works = found.eager, found.recorded, found.by_kernels
    for work, most_launches, most_mb in zip(works, most.launches, most.mb, strict=True):
        assert work.operators.total() <= most_launches
        assert work.moved_bytes <= most_mb * 1e6
    on_cpu = shown_on_cpu(name, planes, most.settings or {}, tmp_path).astype(float)
    for shown in (found.planes, found.planes_by_kernels):
        assert np.abs(on_cpu - shown).mean() <= most.apart
    assert np.abs(found.recorded_planes.astype(int) - found.planes.astype(int)).max() <= 1


def shown_on_cpu(
    name: str, planes: npt.NDArray[np.uint8], settings: dict[str, str], weights: Path
) -> npt.NDArray[np.uint8]:
    """Return the second frame, as `launches` does."""
    one = loading.load(installed()[name].load(), CPU, settings, weights)
    items = [Item(bytes(16), 0, one.Params(), {})]
    run(one, planes, items, CPU)
    return run(one, planes, items, CPU)
