from __future__ import annotations

import logging
from typing import Any, ClassVar

import pytest
import torch

from inference_service.errors import NotFinite
from inference_service.filters import attempts, base, loading
from inference_service.filters.attempts import Attempts
from inference_service.filters.vision.settings.recorded import RecordedSettings

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")


class Fragile(base.Filter):
    """Has loading and a first picture that a test makes fail."""

    name = "fragile"
    title = "Fragile"
    Settings = RecordedSettings
    tried: ClassVar[list[tuple[str, bool]]]

    def load(self, device: torch.device) -> None:
        self.tried.append((self.settings.precision, self.settings.cuda_graphs))

    def apply(self, batch: torch.Tensor, items: Any) -> torch.Tensor:
        return batch


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    Fragile.tried = []

    def load(cls, device, settings, weights_dir, on_progress):
        made = loading.configured(cls, settings)
        made.load(device)
        return made

    monkeypatch.setattr(attempts, "load", load)


def made(tmp_path, device, warm):
    told: list[str] = []
    tried = Attempts(Fragile, device, {}, tmp_path, warm, told.append)
    return tried.made(lambda text, share: None, lambda: None), told


def half_is_broken(one):
    if one.settings.precision != "float32":
        raise NotFinite("fragile makes values that are no numbers")


def graphs_do_not_fit(one):
    if one.settings.cuda_graphs:
        raise RuntimeError("CUDA error: out of memory")


def test_a_network_that_is_not_finite_in_half_precision_computes_in_single(tmp_path, caplog):
    one, told = made(tmp_path, CUDA, half_is_broken)
    assert Fragile.tried == [("auto", True), ("float32", True)]
    assert told == [fallback.kind for fallback in one.fallbacks] == ["precision"]
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warned] == [f"filter fragile {attempts.SINGLE.text}"]


def test_where_graphs_leave_no_memory_there_are_none(tmp_path):
    one, told = made(tmp_path, CUDA, graphs_do_not_fit)
    assert Fragile.tried == [("auto", True), ("auto", False)]
    assert told == ["memory"]
    assert one.fallbacks == [attempts.NO_GRAPHS]


def test_both_may_be_needed(tmp_path):
    _, told = made(tmp_path, CUDA, lambda one: (graphs_do_not_fit(one), half_is_broken(one)))
    assert Fragile.tried[-1] == ("float32", False)
    assert told == ["memory", "precision"]


@pytest.mark.parametrize(
    ("device", "error"),
    [(CPU, NotFinite("no numbers")), (CPU, MemoryError()), (CUDA, ZeroDivisionError())],
)
def test_what_nothing_less_would_help_is_raised(tmp_path, device, error):
    def warm(one):
        raise error

    with pytest.raises(type(error)):
        made(tmp_path, device, warm)
    assert len(Fragile.tried) == 1
