from __future__ import annotations

import pytest
import torch

from inference_service.device import captures, context

GPU, CPU = torch.device("cuda", 1), torch.device("cpu")
ILLEGAL = RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.fixture
def dead(monkeypatch):
    asked = []

    def synchronize(device):
        assert captures.TURNS._now.locked(), "a capture would not survive it"
        asked.append(device)
        raise ILLEGAL

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    return asked


def test_a_gpu_that_fails_once_more_is_broken(dead):
    assert context.is_broken(GPU, ILLEGAL)
    assert dead == [GPU]


@pytest.mark.parametrize(
    ("device", "exc"),
    [
        (CPU, ILLEGAL),
        (GPU, RuntimeError("CUDA error: out of memory")),
        (GPU, RuntimeError("The size of tensor a (3) must match")),
        (GPU, ZeroDivisionError()),
    ],
)
def test_it_is_not_asked_where_the_failure_says_nothing_of_it(dead, device, exc):
    assert not context.is_broken(device, exc)
    assert not dead


def test_a_failure_that_the_gpu_survives_breaks_nothing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    assert not context.is_broken(GPU, ILLEGAL)


def test_a_thread_enters_its_own_gpu_without_what_plug_ins_have_switched_on(monkeypatch):
    entered: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", entered.append)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.backends.cuda.matmul.allow_tf32 = True
    context.enter(CPU)
    assert (torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32) == (True, True)
    context.enter(GPU)
    assert entered == [GPU]
    assert (torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32) == (False, False)
