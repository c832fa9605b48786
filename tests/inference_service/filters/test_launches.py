"""Filters on a pretended GPU: they wait for nothing, and show what they show on a CPU."""

from __future__ import annotations

from pathlib import Path

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
FILTERS = {
    "passthrough": (2, 2, 2, 0.1, {}),
    "invert": (35, 35, 4, 0.1, {}),
    "ink": (69, 69, 40, 0.2, {}),
    "grade": (64, 64, 40, 0.2, {}),
    "light": (280, 280, 246, 0.1, FLOAT32),
    "background": (385, 242, 46, 0.2, FLOAT32),
    "frame": (333, 333, 280, 0.3, FLOAT32),
    "pose": (1182, 455, 235, 0.8, FLOAT32),
    "face": (2160, 308, 201, 0.1, FLOAT32),
    "makeup": (1580, 223, 173, 0.1, FLOAT32),
    "animal": (1607, 301, 175, 0.2, FLOAT32),
}
"""Most launches a batch (what was counted and 5 %): eager, recorded, by kernels; levels from the CPU's."""
QUICK = ("passthrough", "invert", "ink", "grade")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FILTERS]
)
@pytest.mark.timeout(400)  # Interpreted kernels are slow.
def test_a_filter_on_a_gpu_waits_for_nothing_and_shows_what_a_cpu_shows(name: str, tmp_path: Path) -> None:
    most, most_recorded, most_by_kernels, most_apart, settings = FILTERS[name]
    planes: npt.NDArray[np.uint8] = cv2.cvtColor(read_astronaut(SIZE), cv2.COLOR_RGB2YUV_I420).astype(
        np.uint8
    )
    found = launches(name, planes, 1, settings)
    assert found.eager.waits == found.recorded.waits == {}
    assert found.eager.operators.total() <= most
    assert found.recorded.operators.total() <= most_recorded
    assert found.by_kernels.operators.total() <= most_by_kernels
    on_cpu = shown_on_cpu(name, planes, settings, tmp_path).astype(float)
    for shown in (found.planes, found.planes_by_kernels):
        assert np.abs(on_cpu - shown).mean() <= most_apart
    assert np.abs(found.recorded_planes.astype(int) - found.planes.astype(int)).max() <= 1


def shown_on_cpu(
    name: str, planes: npt.NDArray[np.uint8], settings: dict[str, str], weights: Path
) -> npt.NDArray[np.uint8]:
    """Return the second frame, as `launches` does."""
    one = loading.load(installed()[name].load(), CPU, settings, weights)
    items = [Item(bytes(16), 0, one.Params(), {})]
    run(one, planes, items, CPU)
    return run(one, planes, items, CPU)
