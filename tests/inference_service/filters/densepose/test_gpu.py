"""What only a GPU can show: recordings and half precision on the device itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.inference_service.filters.densepose.conftest import LIMITS
from tests.inference_service.filters.densepose.narrow import NarrowDensePose
from tests.inference_service.filters.densepose.scenes import batch_of, image, items, scene

pytestmark = [pytest.mark.gpu, pytest.mark.detectron2]

SIZE = (256, 320)


def load(weights: Path, **settings: Any) -> NarrowDensePose:
    one = NarrowDensePose()
    one.settings = one.Settings(
        **(LIMITS | {"weights": weights, "warm_batch": 2, "recorded_sizes": ()} | settings)
    )
    one.load(torch.device("cuda"))
    return one


def drawn(one: NarrowDensePose, seeds: tuple[int, ...]) -> list[np.ndarray]:
    batch = batch_of(*(scene(SIZE, seed) for seed in seeds)).cuda()
    result = one.apply(batch, items(*[one.Params()] * len(seeds)))
    return [image(picture.cpu()) for picture in result]


def test_single_precision_draws_what_a_cpu_draws(
    weights: Path, loaded: NarrowDensePose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    one = load(weights, precision="float32")
    for seed in range(3):
        (got,) = drawn(one, (seed,))
        expected = image(loaded.apply(batch_of(scene(SIZE, seed)), items(loaded.Params()))[0])
        assert (got == expected).all(axis=-1).mean() > 0.99


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_recordings_draw_what_is_drawn_without(weights: Path, precision: str) -> None:
    eager = load(weights, precision=precision, cuda_graphs=False)
    recorded = load(weights, precision=precision)
    for piece in recorded._runner.recordings([SIZE], 4, 32):
        piece()
    assert (4, *SIZE) in recorded._runner._findings
    for seeds in ((0, 1, 2, 3), (2, 3, 0), (1,)):
        for got, expected in zip(drawn(recorded, seeds), drawn(eager, seeds), strict=True):
            assert (got == expected).all(axis=-1).mean() > 0.98


def test_a_batch_waits_for_the_device_once(weights: Path) -> None:
    one = load(weights)
    for piece in one._runner.recordings([SIZE], 2, 16):
        piece()
    batch = batch_of(scene(SIZE, 1), scene(SIZE, 2)).cuda()
    wishes = items(*[one.Params()] * 2)
    one.apply(batch, wishes)
    torch.cuda.set_sync_debug_mode("error")
    try:
        # The one wait is for an event, which this mode lets pass; any other raises.
        result = one.apply(batch, wishes)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert result.isfinite().all()
