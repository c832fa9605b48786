"""The benchmark of a GPU: an engine is loaded once for all numbers of cameras, since each load takes long."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu, gpu_table
from benchmarks.densepose import article
from inference_service.engine.measuring import Measured

CPU = torch.device("cpu")


class Article:
    """Draws nothing, fast."""

    def __init__(self, *given: object) -> None:
        pass

    def frame_times_ms(self, pictures: object, size: object, seconds: float) -> list[float]:
        return [20.0]


class Bench:
    """Measures the same each time."""

    def __init__(self) -> None:
        self.cameras: list[int] = []

    def measure(self, load: Any) -> Measured:
        self.cameras.append(load.cameras)
        values: dict[str, Any] = {"failures": {}, "stages_ms": {"filter": 1.0}}
        return Measured(**{name: values.get(name, 1.0) for name in Measured.__dataclass_fields__})


def test_one_engine_serves_all_numbers_of_cameras(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[Bench] = []

    @contextmanager
    def bench(*given: object) -> Iterator[Bench]:
        made.append(Bench())
        yield made[-1]

    monkeypatch.setattr(gpu, "_bench", bench)
    monkeypatch.setattr(article, "Article", Article)
    report = gpu._Report(tmp_path, "gpu")
    given = argparse.Namespace(article_short_side=800, seconds=0.1, warm_up=0.1, cameras=[1, 4, 8])
    gpu._compare(CPU, tmp_path / "people.pkl", 1, given, report)
    assert [one.cameras for one in made] == [[1, 1, 4, 4, 8, 8]]
    assert "50.0 frames/s" in (tmp_path / "gpu.txt").read_text()


def test_a_row_says_nothing_of_watts_that_nobody_measures() -> None:
    row = gpu_table.Row("ink", "640x480", 4, 12.0, 99.5, 0.0, None, 1.5, "")
    assert gpu_table.line(row) == "| ink | 640x480 | 4 | 12.0 | 99.5 |  | 0 |  | 1.5 |  |"
    assert gpu_table.mean_of("[N/A]\n[N/A]\n") is None
    assert gpu_table.mean_of("100.5\n[N/A]\n99.5\n") == 100
