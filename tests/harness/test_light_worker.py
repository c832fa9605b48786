"""The worker without torch inverts as the filter does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.light_worker import BUSY_SCHEMA, LightWorker, Waiting, inverted
from inference_service.device import colour
from inference_service.device.colour import Colour
from inference_service.filters.invert import Invert
from shared.frame import ColourRange, i420_size_bytes
from tests.inference_service.doubles import header

WIDTH, HEIGHT = 64, 48
TOLERANCE = 2
"""Levels: the way through RGB rounds twice."""


def test_only_with_test_params_it_can_be_slow() -> None:
    busy = Waiting(header(filters=("invert",), params={"busy_ms": 90}), b"", 0.0)
    for has_test_params in (False, True):
        worker = LightWorker(("invert",), [], has_test_params=has_test_params)
        assert worker._busy_ms(busy) == (90 if has_test_params else 0)
        (status,) = worker._status("ipc:///none", 0.0).filters
        assert (status.schema == BUSY_SCHEMA) is has_test_params


@pytest.mark.parametrize("colour_range", list(ColourRange))
def test_its_negative_is_that_of_the_filter(colour_range: ColourRange) -> None:
    # Colours that RGB holds too: it clips others, and they come back as different ones.
    random = np.random.default_rng(1)
    planes = np.empty(i420_size_bytes(WIDTH, HEIGHT), np.uint8)
    planes[: WIDTH * HEIGHT] = random.integers(90, 160, WIDTH * HEIGHT)
    planes[WIDTH * HEIGHT :] = random.integers(108, 149, WIDTH * HEIGHT // 2)
    head = header(filters=("invert",), width=WIDTH, height=HEIGHT, colour_range=colour_range)
    seen = np.frombuffer(inverted(Waiting(head, planes.tobytes(), 0.0)), np.uint8)

    how = Colour(colour_range)
    batch = colour.i420_to_rgb(torch.from_numpy(planes.reshape(1, HEIGHT * 3 // 2, WIDTH)), how)
    expected = colour.rgb_to_i420(Invert().apply(batch, []), how).numpy().ravel()
    luma = WIDTH * HEIGHT
    assert np.abs(seen[:luma].astype(int) - expected[:luma]).max() <= TOLERANCE
    # OpenCV takes the chroma of one pixel of four, which the others share anyway.
    assert np.abs(seen[luma:].astype(int) - expected[luma:]).max() <= TOLERANCE
