from __future__ import annotations

import pytest
import torch

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.background import compose

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
SIZES = [(15, 20), (1, 1), (9, 40)]
"""(height, width)."""


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


@pytest.mark.parametrize("size", [1, 20, 45])
def test_a_gaussian_is_the_same_by_the_kernel(size: int) -> None:
    # Every second number lies beside another one.
    args = torch.tensor([0.9, 0, 2.5, 0, 30.0, 0], device=DEVICE)[::2], size, -30.0
    made = compose.GAUSSIAN.load_kernel()(*args)
    require_alike("gaussian", made, kernels.by_torch(compose.GAUSSIAN.plain, *args), 1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_blurred_is_the_same_by_the_kernel(size: tuple[int, int]) -> None:
    tiny, alpha = random(3, 3, *size) * 255, random(3, 1, *size, seed=2) ** 3
    alpha[0] = 1
    args = tiny, alpha, compose.LEAST_SHARE
    made, plain = compose.WEIGHTED.load_kernel()(*args), kernels.by_torch(compose.WEIGHTED.plain, *args)
    torch.testing.assert_close(made, plain, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(made[0, 3], torch.full_like(made[0, 3], compose.LEAST_SHARE))
    there = compose.UNWEIGHTED.load_kernel()(made)
    require_alike("unweighted", there, kernels.by_torch(compose.UNWEIGHTED.plain, made), 1e-3)
    torch.testing.assert_close(there, tiny, rtol=1e-4, atol=1e-2)


def test_an_alpha_that_is_no_number_leaves_none_around_it_by_the_kernel() -> None:
    tiny, alpha = random(1, 3, 9, 12), random(1, 1, 9, 12)
    alpha[0, 0, 4, 5] = torch.nan
    made = compose.WEIGHTED.load_kernel()(tiny, alpha, compose.LEAST_SHARE)
    expected = torch.zeros(9, 12, dtype=torch.bool, device=DEVICE)
    expected[3:6, 4:7] = True
    assert torch.equal(made.isnan(), expected.expand_as(made))
