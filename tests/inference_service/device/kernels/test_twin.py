from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from harness.pretended_gpu import CUDA, on_gpu, pretended_gpu
from inference_service.device import captures, context
from inference_service.device.kernels import twin
from inference_service.device.kernels.twin import Twin


def doubled(values: torch.Tensor) -> torch.Tensor:
    return values * 2


class Doubled:
    """The other form of `doubled`."""

    def __init__(self) -> None:
        self.calls = 0
        self.raises: Exception | None = None
        self.more = 0.0

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.raises is not None:
            raise self.raises
        return values * 2 + self.more


@pytest.fixture
def kernel() -> Doubled:
    return Doubled()


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, float]]:
    """What a card says of both forms, in ms; within it there is one."""
    said = {"plain": 2.0, "kernel": 1.0}
    monkeypatch.setattr(twin, "_beside_the_loop", lambda device: nullcontext())
    monkeypatch.setattr(twin, "_time_ms", lambda form, args: said["plain" if form is doubled else "kernel"])
    monkeypatch.setattr(twin, "_ALL", [])
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    with pretended_gpu():
        yield said


def made(kernel: Callable[..., Any]) -> Twin[Any, torch.Tensor]:
    return Twin("doubled", doubled, lambda: kernel, lambda device: [(torch.ones(4, device=device),)])


def test_the_plain_form_serves_until_something_is_decided(kernel: Doubled, times: dict[str, float]) -> None:
    one = made(kernel)
    assert one(on_gpu(torch.ones(2))).cpu().tolist() == [2, 2]
    assert kernel.calls == 0


def test_a_faster_kernel_is_taken_on_the_gpu_alone(kernel: Doubled, times: dict[str, float]) -> None:
    one = made(kernel)
    assert one.decide(CUDA) == twin.Comparison("doubled", 2.0, 1.0)
    before = kernel.calls
    one(on_gpu(torch.ones(2)))
    assert kernel.calls == before + 1
    one(torch.ones(2))
    assert kernel.calls == before + 1


def test_a_slower_kernel_is_left_and_that_is_no_fault(kernel: Doubled, times: dict[str, float]) -> None:
    times["kernel"] = 3.0
    one = made(kernel)
    one.decide(CUDA)
    before = kernel.calls
    one(on_gpu(torch.ones(2)))
    assert (kernel.calls, one.failure, twin.failures()) == (before, None, [])


def test_a_kernel_with_other_results_is_left(
    kernel: Doubled, times: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    kernel.more = 1.5
    one = made(kernel)
    with caplog.at_level(logging.WARNING):
        assert one.decide(CUDA) is None
    assert "doubled is off by 1.5 at most" in caplog.text
    before = kernel.calls
    assert one(on_gpu(torch.ones(2))).cpu().tolist() == [2, 2]
    assert (kernel.calls, twin.failures()) == (before, ["Unlike"])


def test_what_cannot_be_compiled_is_left(kernel: Doubled, times: dict[str, float]) -> None:
    kernel.raises = RuntimeError("Failed to find C compiler")
    one = made(kernel)
    assert one.decide(CUDA) is None
    assert one(on_gpu(torch.ones(2))).cpu().tolist() == [2, 2]
    assert twin.failures() == ["RuntimeError"]


def test_a_gpu_that_is_broken_is_told(
    kernel: Doubled, times: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.raises = RuntimeError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(context, "is_broken", lambda device, exc: True)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        made(kernel).decide(CUDA)


def test_a_kernel_that_fails_in_mid_call_is_given_up_and_no_picture_is_lost(
    kernel: Doubled, times: dict[str, float]
) -> None:
    one = made(kernel)
    one.decide(CUDA)
    kernel.raises = RuntimeError("out of resources")
    assert one(on_gpu(torch.ones(2))).cpu().tolist() == [2, 2]
    before = kernel.calls
    one(on_gpu(torch.ones(2)))
    assert (kernel.calls, twin.failures()) == (before, ["RuntimeError"])


def test_a_full_memory_is_no_fault_of_the_kernel(kernel: Doubled, times: dict[str, float]) -> None:
    one = made(kernel)
    one.decide(CUDA)
    kernel.raises = torch.cuda.OutOfMemoryError()
    one(on_gpu(torch.ones(2)))
    kernel.raises = None
    before = kernel.calls
    one(on_gpu(torch.ones(2)))
    assert (kernel.calls, twin.failures()) == (before + 1, [])


def test_a_full_memory_decides_nothing(kernel: Doubled, times: dict[str, float]) -> None:
    one = made(kernel)
    kernel.raises = torch.cuda.OutOfMemoryError()
    assert one.decide(CUDA) is None
    assert one(on_gpu(torch.ones(2))).cpu().tolist() == [2, 2]
    assert (one.is_open, twin.failures()) == (True, [])
    kernel.raises = None
    for piece in twin.pieces(CUDA):
        piece()
    before = kernel.calls
    one(on_gpu(torch.ones(2)))
    assert (one.is_open, kernel.calls) == (False, before + 1)


def test_the_memory_of_samples_is_given_back_once_all_is_decided(
    kernel: Doubled, times: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[bool] = []
    both = [made(kernel), made(kernel)]
    monkeypatch.setattr(captures, "give_back", lambda: given_back.append(any(one.is_open for one in both)))
    for piece in twin.pieces(CUDA):
        piece()
    assert given_back == [False]


def test_each_twin_is_decided_about_once_and_none_on_a_cpu(kernel: Doubled, times: dict[str, float]) -> None:
    one = made(kernel)
    assert list(twin.pieces(torch.device("cpu"))) == []
    for piece in twin.pieces(CUDA):
        piece()
    assert one(on_gpu(torch.ones(1))).cpu().tolist() == [2]
    assert list(twin.pieces(CUDA)) == []


def test_nothing_is_tried_where_kernels_are_switched_off(
    kernel: Doubled, times: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(kernel)
    monkeypatch.setattr(twin, "_are_used", True)
    twin.switch_off()
    assert list(twin.pieces(CUDA)) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (torch.zeros(3), torch.zeros(4)),
        (torch.zeros(3), torch.zeros(3, dtype=torch.float16)),
        (torch.tensor([True, False]), torch.tensor([True, True])),
        (torch.tensor([torch.nan]), torch.tensor([1.0])),
        (torch.full((100,), 0.9), torch.zeros(100)),
        ((torch.zeros(1), torch.zeros(1)), torch.zeros(1)),
    ],
)
def test_what_is_unlike_is_refused(ours: Any, theirs: Any) -> None:
    with pytest.raises(twin.Unlike):
        twin.require_alike("work", ours, theirs, 1.0)


def test_a_single_value_may_be_off() -> None:
    other = torch.zeros(100)
    other[3] = 1
    twin.require_alike("work", (torch.zeros(100),), (other,), 1.0)
