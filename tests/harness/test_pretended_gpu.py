from __future__ import annotations

import pytest
import torch

from harness.counting import count
from harness.pretended_gpu import CUDA, on_host, pretended_gpu


def test_a_tensor_says_it_is_on_the_gpu_and_its_values_are_right() -> None:
    with pretended_gpu():
        one = torch.arange(6, device=CUDA).view(2, 3)
        two = (one * 2)[:, 1:].to(memory_format=torch.contiguous_format)
        two[0] += 1
        assert two.device == CUDA
        assert two.is_cuda
        assert not two.is_cpu
        assert two.cpu().tolist() == [[3, 5], [8, 10]]
    assert on_host(two).tolist() == [[3, 5], [8, 10]]
    assert two.shape == (2, 2)


def test_a_module_moves_with_its_weights() -> None:
    with pretended_gpu(), torch.inference_mode():
        layer = torch.nn.Linear(2, 1).to(CUDA)
        assert layer.weight.device == CUDA
        assert layer(torch.ones(1, 2, device=CUDA)).device == CUDA


def test_what_a_card_refuses_raises() -> None:
    with pretended_gpu():
        one = torch.ones(2, device=CUDA)
        with pytest.raises(RuntimeError, match="host and of the GPU"):
            one + torch.ones(2)
        with pytest.raises(RuntimeError):
            one.numpy()
        assert (one + torch.tensor(1.0)).cpu().tolist() == [2, 2]


def test_waits_are_counted() -> None:
    with pretended_gpu():
        one = torch.ones(2, device=CUDA)
        assert count(lambda: one * 2).waits == {}
        assert count(lambda: one.sum().item()).waits.total() == 1
        assert count(lambda: one[one > 0]).waits.total() >= 1
        assert count(lambda: one.cpu()).waits == {"cpu": 1}
        assert count(lambda: one.to("cpu", non_blocking=True)).waits == {}


def test_afterwards_there_is_none() -> None:
    with pretended_gpu():
        pass
    assert not torch.cuda.is_available() or torch.zeros(1, device=CUDA).is_cuda
    assert torch.zeros(1).device.type == "cpu"
