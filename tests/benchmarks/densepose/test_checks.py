"""The checks of a GPU, as far as a CPU can tell what they would look at there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.densepose import checks
from inference_service.filters.densepose import DensePose

CPU = torch.device("cpu")


class Recording:
    """Stands in for the filter, and notes what is done with it."""

    Settings = DensePose.Settings

    def __init__(self) -> None:
        self.done: list[str] = []
        self.settings: Any = None

    def load(self, device: torch.device) -> None:
        self.done.append("load")

    def recordings(self) -> Iterator[Callable[[], object]]:
        yield lambda: self.done.append("record")
        yield lambda: self.done.append("record")


def test_what_is_checked_has_recorded_its_graphs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "BenchDensePose", Recording)
    made: Any = checks.load(CPU, tmp_path / "people.pkl", cuda_graphs=True)
    assert made.done == ["load", "record", "record"]
    assert made.settings.recorded_sizes == ("640x480",)


def test_a_batch_and_its_pictures_are_compared_without_short_factors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []

    def draw(one: object, images: np.ndarray, device: torch.device) -> np.ndarray:
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return images

    monkeypatch.setattr(checks, "load", lambda *given, **settings: None)
    monkeypatch.setattr(checks, "draw", draw)
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        assert checks.batched_equals_single(CPU, tmp_path)[0]
        assert torch.backends.cudnn.allow_tf32, "as it was"
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert set(seen) == {(False, False)}
