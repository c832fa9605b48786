"""Filters for people one after the other, as a worker runs them: planes in, planes out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from harness.photograph import dimmed, read_astronaut
from inference_service.device.colour import Colour, i420_to_rgb, rgb_to_i420
from inference_service.device.crossing import CpuCrossings
from inference_service.device.pictures import Pictures
from inference_service.engine.applying import apply
from inference_service.filters.base import Filter, Item
from inference_service.filters.installed import installed

CPU = torch.device("cpu")
SIZE = (320, 240)
FRAMES = 2
CAMERAS = 2
CHAINS = (("light", "frame", "background"), ("frame", "face", "light"))
MORE = (("light", "pose", "grade"), ("background", "frame", "pose"))
ORDER = ("light", "frame", "background", "makeup", "animal", "pose", "face", "grade")
"""As docs/gallery.md advises."""
UNSEEN = {("makeup", "face")}
"""The first leaves no mark, since the second covers what it paints."""
LEAST_MARK = 0.002
"""The share of a picture's levels that are changed: lips and cheeks of this small face are 0.0044."""


@cache
def loaded(name: str) -> Filter:
    one: Filter = installed()[name].load()()
    one.load(CPU)
    return one


@pytest.fixture(scope="module", autouse=True)
def _loaded_for_this_module() -> Iterator[None]:
    yield
    for kept in (loaded, alone):
        kept.cache_clear()


@cache
def planes_i420() -> np.ndarray:
    """Return a photograph of a person in a dark room, (H * 3 / 2, W); write not into it."""
    return np.asarray(cv2.cvtColor(dimmed(read_astronaut(SIZE), 2), cv2.COLOR_RGB2YUV_I420))


def items_of(name: str) -> list[Item]:
    return [Item(bytes([camera] * 16), 0, loaded(name).Params()) for camera in range(CAMERAS)]


def shown(names: tuple[str, ...]) -> np.ndarray:
    """Return the I420 planes that a chain makes of the last frame of two dark cameras."""
    items = [items_of(name) for name in names]
    for sequence in range(FRAMES):
        crossing = CpuCrossings().begin()
        planes = [memoryview(planes_i420().tobytes())] * CAMERAS
        pictures = Pictures(planes, SIZE, Colour(), CPU, crossing)
        with torch.inference_mode():
            for name, its in zip(names, items, strict=True):
                for item in its:
                    item.sequence = sequence
                spoiled = apply(loaded(name), pictures, its, crossing.stages)
                assert spoiled is None or not spoiled.any()
            made = pictures.i420().numpy()
    assert made.shape == (CAMERAS, *planes_i420().shape)
    return np.asarray(made)


@pytest.mark.parametrize("names", [*CHAINS, *(pytest.param(one, marks=pytest.mark.slow) for one in MORE)])
def test_each_filter_of_a_chain_does_its_work(names: tuple[str, ...]) -> None:
    whole = shown(names)
    assert np.abs(whole[0].astype(int) - whole[1]).mean() < 0.2
    for left_out in names:
        rest = tuple(name for name in names if name != left_out)
        assert np.abs(shown(rest).astype(int) - whole).mean() > 0.1


@pytest.mark.parametrize("pair", list(combinations(ORDER, 2)), ids="-".join)
def test_a_pair_shows_what_its_filters_make_one_after_the_other(pair: tuple[str, str]) -> None:
    first, second = pair
    both = shown(pair)
    assert np.array_equal(both, as_planes(results(second, alone(first))[-1]))
    for left_out, other in ((first, second), (second, first)):
        if (left_out, other) not in UNSEEN:
            assert share_changed(both, as_planes(alone(other)[-1])) > LEAST_MARK, left_out


@cache
def alone(name: str) -> list[Tensor]:
    """Return what a filter makes of each frame of the cameras; write not into it."""
    return results(name, [torch.from_numpy(np.stack([planes_i420()] * CAMERAS))] * FRAMES)


def results(name: str, frames: list[Tensor]) -> list[Tensor]:
    """Return what a filter makes of each frame, which is RGB or I420, without the engine between."""
    one, items = loaded(name), items_of(name)
    made: list[Tensor] = []
    for sequence, frame in enumerate(frames):
        for item in items:
            item.sequence = sequence
        batch = frame if is_i420(frame) else frame.clone(memory_format=torch.channels_last)
        if is_i420(frame) and one.works_on == "rgb":
            batch = i420_to_rgb(frame, Colour())
        with torch.inference_mode():
            made.append(one.apply(batch, items).round().clamp(0, 255).to(torch.uint8).clone())
    return made


def is_i420(frames: Tensor) -> bool:
    return frames.dim() == 3


def as_planes(frames: Tensor) -> np.ndarray:
    return np.asarray((frames if is_i420(frames) else rgb_to_i420(frames, Colour())).numpy())


def share_changed(one: np.ndarray, other: np.ndarray) -> float:
    """Return how many levels of two pictures differ plainly, as a share of all."""
    return float((np.abs(one.astype(int) - other) > 5).mean())
