"""A state dict goes into a model whole, or not at all."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inference_service.errors import WeightsError
from inference_service.filters.vision.networks.state_dict import load_state


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_every_tensor_of_the_file_is_in_the_model(tmp_path: Path) -> None:
    saved, made = network(), network()
    torch.save(saved.state_dict(), tmp_path / "weights.pth")
    load_state(made, tmp_path / "weights.pth")
    for key, value in saved.state_dict().items():
        assert torch.equal(value, made.state_dict()[key])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda state: state.pop("0.bias"), "lacks 0.bias"),
        (lambda state: state.update({"2.weight": torch.zeros(1)}), "has unknown 2.weight"),
        (lambda state: state.update({"0.bias": torch.zeros(5)}), r"0.bias of shape \[5\] instead of \[4\]"),
        (lambda state: state.update({"0.bias": "four"}), "0.bias is no tensor"),
        (lambda state: state.clear(), "holds no state dict"),
    ],
)
def test_file_for_another_model_is_refused(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], says: str
) -> None:
    state = dict(network().state_dict())
    spoil(state)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=says):
        load_state(network(), tmp_path / "weights.pth")


class Runs:
    """What a forged pickle holds: a call that its reader makes."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))])
def test_pickle_that_would_run_code_is_refused(tmp_path: Path, write: Callable[[Any, Path], object]) -> None:
    write({"0.bias": Runs(tmp_path / "ran")}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="more than tensors"):
        load_state(network(), tmp_path / "weights.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("size", [0, 10, 700])
def test_truncated_file_is_refused(tmp_path: Path, size: int) -> None:
    whole = tmp_path / "whole"
    torch.save(network().state_dict(), whole)
    (tmp_path / "weights.pth").write_bytes(whole.read_bytes()[:size])
    with pytest.raises(WeightsError, match=r"weights\.pth (is|holds)"):
        load_state(network(), tmp_path / "weights.pth")


def test_name_that_carries_a_sum_is_held_to_it(tmp_path: Path) -> None:
    path = tmp_path / "model-0123abcd.pth"
    torch.save(network().state_dict(), path)
    with pytest.raises(WeightsError, match="expected is 0123abcd"):
        load_state(network(), path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no file .*absent\.pth"):
        load_state(network(), tmp_path / "absent.pth")
