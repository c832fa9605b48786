from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from inference_service.weights.folder import WeightsFolder
from tests.inference_service.file_server import Served, serving

# Longer than the pieces in which the library writes, so that some of a broken download is kept.
CONTENT = random.Random(1).randbytes(12_000_000)
PIECE = 10 << 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the library's pauses between its tries, and any proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    no_time = SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.file_download.time", no_time)
    monkeypatch.setattr("huggingface_hub.utils._http.time", no_time)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(CONTENT) as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> WeightsFolder:
    return WeightsFolder(tmp_path / "cache" / "weights")
