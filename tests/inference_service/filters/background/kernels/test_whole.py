from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.background import whole

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
SIZES = [((34, 62), (17, 31), (8, 15)), ((25, 41), (25, 41), (12, 20)), ((2, 2), (1, 1), (1, 1))]
"""Of a picture, of its lines, and of what is tiny, (height, width)."""


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def levels_of(*shape: int, seed: int = 1) -> Tensor:
    return (random(*shape, seed=seed) * 255.9).to(torch.uint8)


def numbers(*values: float) -> Tensor:
    """Return what the filter has of each picture: its numbers lie beside each other."""
    rows = torch.tensor(values, device=DEVICE)[:, None].repeat(1, 3)
    return rows.T[0][..., None, None, None]


def lines(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    both = random(3, 2, *size)
    return (both[:, :1] - 0.5) / 40, both[:, 1:]


@pytest.mark.parametrize(("size", "small"), [sizes[:2] for sizes in SIZES])
def test_calm_luma_and_its_alpha_are_the_same_by_the_kernel(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    grey = levels_of(3, 1, *size)
    # Less and more of a change than noise makes, and none.
    last = (grey.float() + (random(3, 1, *size, seed=2) * 24 - 12).round()).clamp(0, 255).to(torch.uint8)
    args = (*lines(small), numbers(0.0, 0.25, 0.75), numbers(0.0, 0.4, 1.0), numbers(-1.0, 0.2, 1.0))
    made = whole.LOOKED_THROUGH.load_kernel()(grey, last, *args)
    expected = kernels.by_torch(whole.LOOKED_THROUGH.plain, grey, last, *args)
    assert torch.equal(made[0], expected[0])
    require_alike("alpha", made[1], expected[1], 1e-3)
    assert float(made[1].max() - made[1].min()) > 0.5 or size == (2, 2)


def test_alpha_in_the_size_of_the_lines_is_the_same_by_the_kernel() -> None:
    luma = random(3, 1, 17, 31) * 255
    args = (*lines((17, 31)), numbers(0.0, 0.4, 1.0), numbers(-1.0, 0.2, 1.0))
    require_alike(
        "alpha",
        whole.ALPHA_AT.load_kernel()(luma, *args),
        kernels.by_torch(whole.ALPHA_AT.plain, luma, *args),
        1e-3,
    )


def test_lines_may_lie_side_by_side() -> None:
    """So the plain form leaves them where luma lies channels last."""
    both = torch.cat(lines((17, 31)), 1)
    apart = both.contiguous(memory_format=torch.channels_last)
    numbers_of = numbers(0.0, 0.4, 1.0), numbers(-1.0, 0.2, 1.0)
    luma, grey = random(3, 1, 17, 31) * 255, levels_of(3, 1, 34, 62)
    for one, first in ((whole.ALPHA_AT, (luma,)), (whole.LOOKED_THROUGH, (grey, grey))):
        kept = (numbers(0.5, 0.5, 0.5),) if one is whole.LOOKED_THROUGH else ()
        made, expected = (
            one.load_kernel()(*first, slope, offset, *kept, *numbers_of)
            for slope, offset in ((apart[:, :1], apart[:, 1:]), (both[:, :1], both[:, 1:]))
        )
        require_alike("alpha", made, expected, 0)


def test_alpha_of_a_broken_answer_is_no_number_by_the_kernel() -> None:
    grey = levels_of(3, 1, 34, 62)
    slope, offset = lines((17, 31))
    offset[1] = torch.nan
    args = (slope, offset, numbers(0.5, 0.5, 0.5), numbers(0.4, 0.4, 0.4), numbers(0.0, 0.0, 0.0))
    made = whole.LOOKED_THROUGH.load_kernel()(grey, grey, *args)[1]
    assert made[1].isnan().all()
    assert made[[0, 2]].isfinite().all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "tiny"), [(sizes[0], sizes[2]) for sizes in SIZES])
def test_pictures_before_a_blur_are_the_same_by_the_kernel(
    size: tuple[int, int], tiny: tuple[int, int], layout: torch.memory_format
) -> None:
    seen, share = levels_of(3, 3, *size).contiguous(memory_format=layout), random(3, 1, *size, seed=2)
    room = random(3, 3, *tiny, seed=3) * 255
    made = whole.BEFORE_BLUR.load_kernel()(seen, room, share)
    require_alike("pictures", made, kernels.by_torch(whole.BEFORE_BLUR.plain, seen, room, share), 1)
    assert made.stride() == seen.stride()


def test_a_blurred_picture_shows_its_room_alone_where_nobody_is() -> None:
    seen, room = levels_of(3, 3, 34, 62), random(3, 3, 8, 15, seed=3) * 255
    form = whole.BEFORE_BLUR.load_kernel()
    one = form(seen, room, torch.zeros(3, 1, 34, 62, device=DEVICE))
    assert torch.equal(one, form(255 - seen, room, torch.zeros(3, 1, 34, 62, device=DEVICE)))
    assert torch.equal(form(seen, room, torch.ones(3, 1, 34, 62, device=DEVICE)), seen)


@pytest.mark.parametrize("is_lit", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "tiny"), [(sizes[0], sizes[2]) for sizes in SIZES])
def test_pictures_before_new_rooms_are_the_same_by_the_kernel(
    size: tuple[int, int], tiny: tuple[int, int], layout: torch.memory_format, is_lit: bool
) -> None:
    seen, share = levels_of(3, 3, *size).contiguous(memory_format=layout), random(3, 1, *size, seed=2)
    own, light = random(3, 3, *tiny, seed=3) * 255, random(3, 3, *tiny, seed=4) * 255
    room = levels_of(3, 3, *size, seed=5).contiguous(memory_format=torch.channels_last)
    args = (seen, own, light if is_lit else None, room, share)
    made = whole.BEFORE_ROOM.load_kernel()(*args)
    require_alike("pictures", made, kernels.by_torch(whole.BEFORE_ROOM.plain, *args), 1)
    assert torch.equal(whole.BEFORE_ROOM.load_kernel()(*args[:4], torch.zeros_like(share)), room)
