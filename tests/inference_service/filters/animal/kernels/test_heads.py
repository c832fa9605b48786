from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.animal.draw_device import HEADS
from inference_service.filters.animal.heads import Heads, Sheets, sample

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
Scene = tuple[Tensor, Heads, Tensor, Sheets]


def scene(n: int = 2, places: int = 2, size: tuple[int, int] = (31, 44)) -> Scene:
    torch.manual_seed(3)
    return sample(DEVICE, n, places, size)


def require_the_same_picture(given: Scene) -> Tensor:
    made, expected = HEADS.load_kernel()(*given), HEADS.plain(*given)
    require_alike("heads", made, expected, 0.05)
    # As they lie when they come, so that what follows reads them fast.
    assert made.stride() == given[0].stride()
    return made


@pytest.mark.parametrize("size", [(31, 44), (16, 16), (7, 5), (50, 18)])
def test_animals_are_drawn_alike_by_the_kernel(size: tuple[int, int]) -> None:
    given = scene(size=size)
    made = require_the_same_picture(given)
    assert (made.round() != given[0]).any((1, 2, 3)).all()


def test_several_heads_of_a_picture_lie_on_each_other_in_their_order() -> None:
    pictures, heads, kinds, sheets = scene(2, 3)
    for one in (*heads.layers, *heads.muzzle):
        one[1::3] = one[0::3]
    # The second head is shifted, and the third is nobody's.
    heads.layers.to_drawing[1::3, :, 0, 2] -= 0.4
    heads.layers.tint[1::3] *= 0.5
    require_the_same_picture((pictures, heads, kinds, sheets))


def test_a_card_may_reach_behind_the_camera_and_a_muzzle_out_of_the_picture() -> None:
    pictures, heads, kinds, sheets = scene()
    heads.layers.to_drawing[0, :, 2, 0] = -0.03
    heads.muzzle.where[0] = torch.tensor([-9.0, -7.0, 30.0])
    heads.muzzle.where[2] = torch.tensor([30.0, 20.0, 40.0])
    require_the_same_picture((pictures, heads, kinds, sheets))


def test_nothing_is_changed_where_nobody_is() -> None:
    pictures, heads, kinds, sheets = scene()
    heads.layers.to_drawing[:] = heads.layers.to_drawing[1].clone()
    heads.layers.tint[:] = 0
    made = require_the_same_picture((pictures, heads, kinds, sheets))
    require_alike("heads", made, pictures.float(), 0)


def test_ears_are_hidden_by_veils_and_throw_no_shadow_past_the_head() -> None:
    pictures, heads, kinds, sheets = scene()
    heads.layers.tint[:, 2:] = 0
    seen = require_the_same_picture((pictures, heads, kinds, sheets))
    heads.past_head[:] = 0
    heads.on_head[:] = 0
    made = require_the_same_picture((pictures, heads, kinds, sheets))
    assert (seen - pictures).abs().mean() > 1
    require_alike("heads", made, pictures.float(), 0)


@pytest.mark.parametrize("side", [64, 32])
def test_drawings_may_be_smaller(side: int) -> None:
    pictures, heads, kinds, sheets = scene()
    sheets = Sheets(
        sheets.large[..., :side, :side].contiguous(), sheets.small[..., :32, :32].contiguous(), sheets.shadows
    )
    require_the_same_picture((pictures, heads, kinds, sheets))


def test_pictures_may_lie_in_planes() -> None:
    pictures, heads, kinds, sheets = scene()
    given = pictures.contiguous(), heads, kinds, sheets
    require_alike("heads", HEADS.load_kernel()(*given), HEADS.plain(*given), 0.05)


def test_kinds_may_lie_apart() -> None:
    pictures, heads, kinds, sheets = scene()
    assert kinds.unique().numel() > 1
    apart = kinds[:, None].repeat(1, 3)[:, 0]
    made = HEADS.load_kernel()(pictures, heads, apart, sheets)
    assert torch.equal(made, HEADS.load_kernel()(pictures, heads, kinds, sheets))
