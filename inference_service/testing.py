"""Fixtures of pytest for those who write filters: `batch`, `run_filter` and three assertions.

In `conftest.py` of your tests:

    from inference_service.testing import *

Each test then names the fixtures that it needs. No worker and no GPU is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from inference_service.device.colour import Colour, i420_to_rgb, rgb_to_i420
from inference_service.device.laps import Stages
from inference_service.engine.applying import filtered
from inference_service.engine.growth import size_bytes
from inference_service.engine.health import Health
from inference_service.engine.pipeline import Pipeline
from inference_service.filters.base import Filter, Item
from inference_service.filters.loading import load
from inference_service.filters.rules import checked
from inference_service.metrics import Metrics
from inference_service.weights.folder import default_folder

try:
    import pytest
except ModuleNotFoundError:
    raise ImportError("inference_service.testing needs pytest: python -m pip install pytest") from None

__all__ = ["assert_batched_equals_single", "assert_state_is_bounded", "batch", "run_filter"]

CPU = torch.device("cpu")
ROUNDING_LEVELS = 1.0

Params = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""Of all pictures, or one mapping for each; None: the defaults."""


@pytest.fixture
def batch() -> torch.Tensor:
    """Four pictures that differ: (4, 3, 48, 64) RGB uint8, a ramp, noise, a square on grey, colour bars."""
    pictures = torch.full((4, 3, 48, 64), 128, dtype=torch.uint8)
    pictures[0] = torch.linspace(0, 255, 64).to(torch.uint8)
    pictures[1] = torch.randint(0, 256, (3, 48, 64), generator=torch.Generator().manual_seed(0))
    pictures[2, :, 12:36, 16:40] = torch.tensor([230, 60, 30])[:, None, None]
    for number in range(8):
        for channel in range(3):
            pictures[3, channel, :, 8 * number : 8 * number + 8] = 255 * (number >> channel & 1)
    return pictures


@pytest.fixture
def run_filter() -> Callable[..., torch.Tensor]:
    """Return `run(which, batch, params=None, settings=None)`: the pictures as a page would see them.

    `which` is a filter's class, which is loaded and tried out on the CPU as a worker does, or an instance
    that you have loaded. `batch` is (N, 3, H, W) RGB uint8, or (T, N, 3, H, W): T frames of N sessions, whose
    state is kept from frame to frame. The result has the same shape, RGB uint8; `batch` stays as it is.
    `params` is what a page would send, for all sessions or a list with one for each. Raises what the filter
    raises, BadResult for a result that a worker refuses, and AssertionError for a NaN or an infinity.
    """
    return _run


@pytest.fixture
def assert_batched_equals_single() -> Callable[..., None]:
    """Return `check(which, batch, params=None, settings=None, atol=1.0)`; the arguments of `run_filter`.

    It fails where a batch gives other pictures than its sessions one by one. `atol` is in levels of 255.
    """
    return _assert_batched_equals_single


@pytest.fixture
def assert_state_is_bounded() -> Callable[..., None]:
    """Return `check(which, batch, params=None, settings=None, frames=64)`.

    It fails where the state after twice so many frames is larger than after `frames`.
    """
    return _assert_state_is_bounded


def _run(
    which: Filter | type[Filter],
    batch: torch.Tensor,
    params: Params = None,
    settings: Mapping[str, Any] | None = None,
) -> torch.Tensor:
    one = _made(which, settings)
    frames = batch if batch.ndim == 5 else batch[None]
    items = _items(one, frames.shape[1], params)
    shown = torch.stack([_shown(one, each, items) for each in frames])
    return shown if batch.ndim == 5 else shown[0]


def _assert_batched_equals_single(
    which: Filter | type[Filter],
    batch: torch.Tensor,
    params: Params = None,
    settings: Mapping[str, Any] | None = None,
    atol: float = ROUNDING_LEVELS,
) -> None:
    one = _made(which, settings)
    frames = batch if batch.ndim == 5 else batch[None]
    count = frames.shape[1]
    assert count > 1, "a batch of one picture says nothing; expected two or more"
    together, alone = _items(one, count, params), _items(one, count, params)
    for number, each in enumerate(frames):
        batched = _shown(one, each, together).int()
        for place in range(count):
            single = _shown(one, each[place : place + 1], alone[place : place + 1])[0].int()
            most = int((batched[place] - single).abs().max())
            assert most <= atol, (
                f"frame {number}: picture {place} of the batch differs from the same picture alone by "
                f"{most} levels; does {one.name} mix pictures, or keep something outside of item.state?"
            )


def _assert_state_is_bounded(
    which: Filter | type[Filter],
    batch: torch.Tensor,
    params: Params = None,
    settings: Mapping[str, Any] | None = None,
    frames: int = 64,
) -> None:
    one = _made(which, settings)
    items = _items(one, len(batch), params)
    sizes = []
    for _ in range(2):
        for _ in range(frames):
            _shown(one, batch, items)
        sizes.append(max(size_bytes(item.state) for item in items))
    assert sizes[1] <= sizes[0], (
        f"the state of {one.name} has {sizes[0]} bytes after {frames} frames, {sizes[1]} after {2 * frames}"
    )


def _made(which: Filter | type[Filter], settings: Mapping[str, Any] | None) -> Filter:
    if isinstance(which, Filter):
        assert settings is None, "a filter that is loaded has its settings; hand over its class"
        return which
    made = load(checked(which.name, which), CPU, settings or {}, default_folder())
    Pipeline(CPU, "test", Metrics(), Health(lambda: None)).warm(made)
    return made


def _items(one: Filter, count: int, params: Params) -> list[Item]:
    each = [params or {}] * count if params is None or isinstance(params, Mapping) else params
    assert len(each) == count, f"{len(each)} sets of parameters for {count} pictures"
    return [
        Item(bytes([number % 256] * 16), -1, one.Params.model_validate(dict(values)))
        for number, values in enumerate(each)
    ]


def _shown(one: Filter, pictures: torch.Tensor, items: Sequence[Item]) -> torch.Tensor:
    assert pictures.ndim == 4, f"expected (N, 3, H, W) RGB uint8, not {tuple(pictures.shape)}"
    assert pictures.shape[1] == 3, f"expected (N, 3, H, W) RGB uint8, not {tuple(pictures.shape)}"
    assert pictures.dtype == torch.uint8, f"expected uint8, not {pictures.dtype}"
    for item in items:
        item.sequence += 1
        if not one.keeps_state:
            # As a worker does: what is left there is gone with the next frame.
            item.state = {}
    stages = Stages(CPU)
    with torch.inference_mode():
        if not one.needs_pictures:
            filtered(one, torch.empty((len(pictures), 0, 0), dtype=torch.uint8), items, stages)
            return pictures
        is_i420 = one.works_on == "i420"
        given = rgb_to_i420(pictures, Colour()) if is_i420 else pictures.clone()
        made, spoiled = filtered(one, given, items, stages)
        assert spoiled is None or not spoiled.any(), f"{one.name} makes values that are no numbers"
        return i420_to_rgb(made, Colour()) if is_i420 else made.clone()
