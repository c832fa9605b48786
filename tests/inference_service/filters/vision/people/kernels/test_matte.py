from __future__ import annotations

import pytest
import torch

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.vision.people import matte

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
SIZES = [(17, 31), (3, 40), (1, 1)]
"""(height, width)."""


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


@pytest.mark.parametrize("radius", [1, 4])
@pytest.mark.parametrize("size", SIZES)
def test_lines_are_the_same_by_the_kernel(size: tuple[int, int], radius: int) -> None:
    luma = random(3, 1, *size) * 255
    person = (luma / 255 * 2 - 0.5).clamp(0, 1)
    person[2] = random(1, *size, seed=2)
    args = luma, person, radius, matte.EVENNESS
    made, plain = matte.GUIDED.load_kernel()(*args), kernels.by_torch(matte.GUIDED.plain, *args)
    for scale, one, other in zip((255, 1), made, plain, strict=True):
        require_alike("lines", one * scale, other * scale, 1e-3)
    assert float(made[0][0].mean()) * 255 > 0.5 or size == (1, 1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", SIZES)
def test_what_stands_still_is_the_same_by_the_kernel(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    last = (random(3, 3, *size) * 255).to(torch.uint8)
    now = last.float() + (random(3, 3, *size, seed=2) * torch.tensor([1, 12, 80])[:, None, None, None]).to(
        DEVICE
    )
    now = now.clamp(0, 255).to(torch.uint8).contiguous(memory_format=layout)
    args = now, last, matte.NOISE, matte.CHANGE_REACH, matte.CHANGE, matte.LEAST_EXPONENT
    made, plain = matte.STILLNESS.load_kernel()(*args), kernels.by_torch(matte.STILLNESS.plain, *args)
    require_alike("stillness", made, plain, 1e-4)
    assert (made[0] == 1).all()


@pytest.mark.parametrize(("size", "small"), [((34, 62), (17, 31)), ((9, 12), (9, 12)), ((5, 6), (1, 1))])
def test_a_matte_is_steadied_the_same_by_the_kernel(size: tuple[int, int], small: tuple[int, int]) -> None:
    person, last = random(3, 1, *size), random(3, 1, *size, seed=2)
    person[1] = last[1] + 0.1
    still = random(3, 1, *small, seed=3)
    kept = torch.tensor([[0.0, 1], [0.6, 1], [1, 1]], device=DEVICE)[:, 0, None, None, None]
    args = person, last, still, kept, matte.CHANGE_OF_MIND, matte.LEAST_EXPONENT
    made = matte.STEADIED.load_kernel()(*args)
    require_alike("steadied", made, kernels.by_torch(matte.STEADIED.plain, *args), 1e-4)
    assert torch.equal(made[0], person[0])


def test_a_broken_answer_stays_none_by_the_kernels() -> None:
    person, last = random(1, 1, 17, 31), random(1, 1, 17, 31, seed=2)
    person[0, 0, 8, 9] = torch.nan
    kept = torch.full((1, 1, 1, 1), 0.5, device=DEVICE)
    made = matte.STEADIED.load_kernel()(person, last, torch.ones_like(person), kept, 0.6, -30.0)
    assert made.isnan().sum() == 1
    slope, offset = matte.GUIDED.load_kernel()(last * 255, made, 4, matte.EVENNESS)
    for one in (slope, offset):
        assert one[0, 0, :17, 1:18].isnan().all()
        assert one[0, 0, :, 18:].isfinite().all()
