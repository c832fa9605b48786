from __future__ import annotations

import logging
from typing import Any, ClassVar

import pytest
import torch

from inference_service.errors import NotFinite
from inference_service.filters import attempts, base, loading
from inference_service.filters.attempts import SAFER, Attempts
from inference_service.filters.vision.settings.own import OwnSettings
from inference_service.filters.vision.settings.recorded import RecordedSettings

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
TURING, AMPERE = (7, 5), (8, 0)


class Fragile(base.Filter):
    """Has loading and a first picture that a test makes fail."""

    name = "fragile"
    title = "Fragile"
    Settings: ClassVar[type[base.Settings]] = RecordedSettings
    tried: ClassVar[list[tuple[str, bool]]]

    def load(self, device: torch.device) -> None:
        self.tried.append((self.settings.precision, getattr(self.settings, "cuda_graphs", False)))

    def apply(self, batch: torch.Tensor, items: Any) -> torch.Tensor:
        return batch


class OwnFragile(Fragile):
    """One with a network of the project."""

    Settings: ClassVar[Any] = OwnSettings


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """Stand in for a GPU of this compute capability; there is none."""
    capability = list(TURING)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: tuple(capability))
    Fragile.tried = []

    def load(cls, device, settings, weights_dir, on_progress):
        made = loading.configured(cls, settings)
        made.load(device)
        return made

    monkeypatch.setattr(attempts, "load", load)
    return capability


def made(tmp_path, device, warm, cls=Fragile):
    told: list[str] = []
    tried = Attempts(cls, device, {}, tmp_path, warm, told.append)
    return tried.made(lambda text, share: None, lambda: None), told


def half_is_broken(one):
    if one.settings.precision != "float32":
        raise NotFinite("fragile makes values that are no numbers")


def test_a_network_that_is_not_finite_in_half_precision_computes_in_single(tmp_path, caplog):
    one, told = made(tmp_path, CUDA, half_is_broken)
    assert Fragile.tried == [("auto", True), ("float32", True)]
    assert told == [fallback.kind for fallback in one.fallbacks] == ["precision"]
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warned] == [f"filter fragile {SAFER['float32'].text}"]


def test_a_gpu_that_has_it_computes_in_bfloat16_first(tmp_path, card, caplog):
    def half_is_too_short(one):
        if one.settings.precision == "auto":
            half_is_broken(one)

    card[:] = AMPERE
    one, told = made(tmp_path, CUDA, half_is_too_short)
    assert Fragile.tried == [("auto", True), ("bfloat16", True)]
    assert told == ["precision"]
    assert one.fallbacks == [SAFER["bfloat16"]]


def test_of_two_steps_the_last_is_told(tmp_path, card):
    card[:] = AMPERE
    one, told = made(tmp_path, CUDA, half_is_broken)
    assert [precision for precision, _ in Fragile.tried] == ["auto", "bfloat16", "float32"]
    assert told == ["precision"]
    assert one.fallbacks == [SAFER["float32"]]


def test_points_in_pixels_go_to_single_precision_at_once(tmp_path, card):
    card[:] = AMPERE
    _, told = made(tmp_path, CUDA, half_is_broken, OwnFragile)
    assert [precision for precision, _ in Fragile.tried] == ["auto", "float32"]
    assert told == ["precision"]


@pytest.mark.parametrize(
    ("device", "error"),
    [(CPU, NotFinite("no numbers")), (CUDA, MemoryError()), (CUDA, ZeroDivisionError())],
)
def test_what_nothing_less_would_help_is_raised(tmp_path, device, error):
    def warm(one):
        raise error

    with pytest.raises(type(error)):
        made(tmp_path, device, warm)
    assert len(Fragile.tried) == 1
