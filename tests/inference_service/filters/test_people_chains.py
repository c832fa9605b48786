"""Filters for people one after the other, as a worker runs them: planes in, planes out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from harness.photograph import dimmed, read_astronaut
from inference_service.device.colour import Colour
from inference_service.device.crossing import CpuCrossings
from inference_service.device.pictures import Pictures
from inference_service.engine.applying import apply
from inference_service.filters.base import Filter, Item
from inference_service.filters.installed import installed

CPU = torch.device("cpu")
SIZE = (320, 240)
CHAINS = (("light", "frame", "background"), ("frame", "face", "light"))
MORE = (("light", "pose", "grade"), ("background", "frame", "pose"))


@pytest.fixture(scope="module")
def filters() -> dict[str, Filter]:
    made: dict[str, Filter] = {}
    for name in {name for chain in CHAINS + MORE for name in chain}:
        made[name] = installed()[name].load()()
        made[name].load(CPU)
    return made


def shown(chain: tuple[Filter, ...], frames: int = 2) -> np.ndarray:
    """Return the I420 planes that a chain makes of the last frame of two dark cameras."""
    picture = cv2.cvtColor(dimmed(read_astronaut(SIZE), 2), cv2.COLOR_RGB2YUV_I420)
    items = [[Item(bytes([camera] * 16), 0, one.Params()) for camera in range(2)] for one in chain]
    for sequence in range(frames):
        crossing = CpuCrossings().begin()
        planes = [memoryview(picture.tobytes())] * 2
        pictures = Pictures(planes, SIZE, Colour(), CPU, crossing)
        with torch.inference_mode():
            for one, its in zip(chain, items, strict=True):
                for item in its:
                    item.sequence = sequence
                spoiled = apply(one, pictures, its, crossing.stages)
                assert spoiled is None or not spoiled.any()
            made = pictures.i420().numpy()
    assert made.shape == (2, *picture.shape)
    return np.asarray(made)


@pytest.mark.parametrize("names", [*CHAINS, *(pytest.param(one, marks=pytest.mark.slow) for one in MORE)])
def test_each_filter_of_a_chain_does_its_work(filters: dict[str, Filter], names: tuple[str, ...]) -> None:
    whole = shown(tuple(filters[name] for name in names))
    assert np.abs(whole[0].astype(int) - whole[1]).mean() < 0.2
    for left_out in names:
        rest = tuple(filters[name] for name in names if name != left_out)
        assert np.abs(shown(rest).astype(int) - whole).mean() > 0.1
