"""The kernel of covers against torch's operators: the same pictures, and no pixel of the camera's more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.vision.draw.covers import COVERED
from inference_service.filters.vision.draw.masks import Style
from inference_service.filters.vision.draw.nearest import facts_of
from inference_service.filters.vision.draw.wishes import KINDS, STYLES, Wishes
from inference_service.filters.vision.people.covers import (
    AXIS_X,
    AXIS_Y,
    COLUMNS,
    HAS_MASK,
    IS_THERE,
    MOUTH,
    NOD,
    RADIUS,
    TURN,
    X,
    Y,
)

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
SIZE = (32, 48)
"""Small: the kernel is interpreted."""
Row = dict[int, float]


def head(x: float, y: float, radius: float, **more: float) -> Row:
    """A cover's row by its columns' names, upright unless told."""
    names = {"axis_x": AXIS_X, "axis_y": AXIS_Y, "turn": TURN, "nod": NOD, "mouth": MOUTH, "mask": HAS_MASK}
    columns = {X: x, Y: y, RADIUS: radius, AXIS_X: 1.0, HAS_MASK: 1.0, IS_THERE: 1.0}
    return columns | {names[name]: value for name, value in more.items()}


HEADS = [
    head(15.3, 14.2, 9.0, axis_x=0.8, axis_y=0.6, turn=0.4, nod=-0.2, mouth=0.7),
    head(35.7, 11.1, 5.5, turn=-0.3),
    head(23.2, 21.9, 6.0, mask=0.0),
    head(46.5, 31.2, 10.0, axis_x=0.6, axis_y=-0.8),
]


def covers(*pictures: Sequence[Row], places: int = 6) -> Tensor:
    made = torch.zeros(len(pictures), places, COLUMNS)
    for number, rows in enumerate(pictures):
        for place, row in enumerate(rows):
            for column, value in row.items():
                made[number, place, column] = value
    return made.to(DEVICE)


def noise(count: int, size: tuple[int, int] = SIZE) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=generator).to(DEVICE)


def wishes(*kinds: str, sides: Sequence[int] | None = None, scale: float = 1.15) -> Wishes:
    sides = sides or [6] * len(kinds)
    rows = [
        (scale, 240.0, 136.0, 58.0, side, KINDS.index(kind)) for kind, side in zip(kinds, sides, strict=True)
    ]
    modes = ["mask" if kind in STYLES else kind for kind in kinds]
    styles: list[Style] = ["smile" if kind == "smile" else "fox" for kind in kinds]
    return Wishes(modes, styles, list(sides), torch.tensor(rows, device=DEVICE))


def both(
    pictures: Tensor,
    rows: Tensor,
    wanted: Wishes,
    areas: Tensor | None = None,
    is_all: Tensor | None = None,
    poison: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The kernel's pictures and torch's, once they were found alike and to show the same raw pixels."""
    count = len(pictures)
    areas = torch.zeros(count, 1, 64, 64, dtype=torch.bool, device=DEVICE) if areas is None else areas
    is_all = torch.zeros(count, dtype=torch.bool, device=DEVICE) if is_all is None else is_all
    poison = torch.zeros(count, device=DEVICE) if poison is None else poison
    made = COVERED.load_kernel()(pictures, rows, areas, is_all, wanted, poison, facts_of)
    expected = COVERED.plain(pictures, rows, areas, is_all, wanted, poison, facts_of)
    if bool(poison.isfinite().all()):
        require_alike("covers", made, expected, 0.01)
        raw, plain_raw = ((one - pictures).abs().amax(1) < 1e-3 for one in (made, expected))
        assert torch.equal(raw, plain_raw)
    return made, expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(2, 2), SIZE])
def test_heads_are_covered_alike(kind: str, size: tuple[int, int]) -> None:
    height, width = size
    rows = [*HEADS, head(width / 2, height / 2, max(1.0, height / 4), mouth=0.5)]
    made, _ = both(noise(1, size), covers(rows), wishes(kind))
    assert (made != noise(1, size)).any()


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("kind", ["mosaic", "fox"])
def test_nobody_and_what_is_nowhere_leave_the_picture_as_it_is(kind: str) -> None:
    nan, inf = float("nan"), float("inf")
    gone = head(30.0, 20.0, 20.0) | {IS_THERE: 0.0}
    nowhere = [gone, head(nan, 20.0, 20.0), head(30.0, inf, 20.0), head(30.0, 20.0, 20.0, axis_x=nan)]
    half = [head(30.0, 20.0, 900.0, axis_x=nan, axis_y=0.8)]
    pictures = noise(4)
    rows = covers([], nowhere, [head(-900.0, 2000.0, 40.0)], half)
    made, _ = both(pictures, rows, wishes(*[kind] * 4))
    assert torch.equal(made, pictures.float())


@pytest.mark.parametrize("kind", ["mosaic", "fox"])
def test_a_cover_that_is_no_number_hides_no_other_one(kind: str) -> None:
    nan, inf = float("nan"), float("inf")
    broken = [head(30, 20, nan), head(30, 20, inf), head(nan, 20, 9), head(60, 40, 9, turn=nan)]
    rows = [[row, HEADS[0]] for row in broken]
    made, _ = both(noise(4), covers(*rows, places=2), wishes(*[kind] * 4))
    assert (made != noise(4)).any(1)[:, 10:18, 12:18].all()


def test_each_picture_of_a_batch_has_its_own_mode_side_and_heads() -> None:
    pictures = noise(6)
    rows = covers(HEADS[:1], HEADS[1:3], HEADS, [], HEADS[2:], HEADS[::-1])
    made, _ = both(pictures, rows, wishes(*KINDS, "mosaic", "blur", sides=[5, 6, 12, 8, 7, 9]))
    assert torch.equal(made[3], pictures[3].float())


@pytest.mark.parametrize("kind", ["mosaic", "blur"])
def test_squares_grow_with_the_head(kind: str) -> None:
    radii = (16.0, 16.1, 32.1, 300.0)
    rows = covers(*([head(9.0, 8.0, radius)] for radius in radii), places=1)
    both(noise(len(radii), (16, 32)), rows, wishes(*[kind] * len(radii), sides=[4] * len(radii), scale=1.0))


@pytest.mark.parametrize("layout", ["channels last", "a part", "one for all"])
def test_pictures_of_any_layout_are_covered(layout: str) -> None:
    pictures = noise(2)
    if layout == "channels last":
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    elif layout == "a part":
        pictures = noise(2, (40, 60))[:, :, 3 : 3 + SIZE[0], 5 : 5 + SIZE[1]]
    else:
        pictures = pictures[:1].expand(2, -1, -1, -1)
    both(pictures, covers(HEADS, HEADS[1:]), wishes("mosaic", "fox"))


def test_what_ends_just_within_a_tile_is_covered_there() -> None:
    """Tiles are of 16 rows and 32 columns."""
    ends = [head(16.0, 8.0, 8.0), head(16.0, 8.0, 9.0), head(16.0, 24.6, 9.0), head(39.0, 29.2, 10.0)]
    rows = covers(*([row] for row in ends), places=1)
    made, _ = both(noise(4, (32, 40)), rows, wishes("mosaic", "blur", "mosaic", "fox", scale=1.0))
    is_raw = (made == noise(4, (32, 40))).all(1)
    assert not is_raw[1, 16, 14:18].any()
    assert not is_raw[2, 15, 14:18].any()
    assert not is_raw[3, :16, :32].all()


@pytest.mark.parametrize("height", [40, 64, 100])
def test_one_small_area_is_hidden_wherever_it_begins_and_ends(height: int) -> None:
    areas = torch.zeros(5, 1, 64, 64, dtype=torch.bool, device=DEVICE)
    for number, row in enumerate((0, 7, 8, 31, 63)):
        areas[number, 0, row, 3:9] = True
    pictures = noise(5, (height, 10))
    made, _ = both(pictures, covers(*[[]] * 5, places=1), wishes(*["mosaic"] * 5, sides=[40] * 5), areas)
    assert (made != pictures).any()


@pytest.mark.parametrize("size", [(6, 10), (34, 50)])
def test_areas_and_whole_pictures_are_hidden_by_large_squares(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(2)
    areas = (torch.rand(4, 1, 64, 64, generator=generator) < 0.02).to(DEVICE)
    areas[0] = False
    areas[0, 0, 63, 63] = True
    areas[3] = False
    is_all = torch.tensor([False, False, True, True], device=DEVICE)
    pictures = noise(4, size)
    made, expected = both(pictures, covers(HEADS, HEADS, HEADS, []), wishes(*KINDS), areas, is_all)
    torch.testing.assert_close(made[2:], expected[2:])
    assert ((made[2:] - pictures[2:]).abs().amax(1) > 1).float().mean() > 0.9 or size == (6, 10)


def test_many_heads_are_covered_alike() -> None:
    generator = torch.Generator().manual_seed(3)
    rows = [
        head(float(x) * SIZE[1], float(y) * SIZE[0], 2 + 4 * float(radius), turn=float(radius) - 0.5)
        for x, y, radius in torch.rand(40, 3, generator=generator)
    ]
    both(noise(2), covers(rows, rows[::-1], places=40), wishes("mosaic", "smile"))


def test_a_short_axis_makes_a_cover_large_in_both() -> None:
    made, _ = both(noise(1), covers([head(20.0, 20.0, 6.0, axis_x=0.0, axis_y=0.1)]), wishes("mosaic"))
    assert (made[0, :, 30, 40] != noise(1)[0, :, 30, 40]).any()


def test_all_of_a_poisoned_picture_is_no_number() -> None:
    poison = torch.tensor([0.0, torch.nan, torch.inf, -torch.inf], device=DEVICE)
    pictures = noise(4, (6, 10))
    rows = covers(*[[head(3.0, 3.0, 2.0)]] * 4)
    made, expected = both(pictures, rows, wishes("mosaic", "mosaic", "fox", "blur"), poison=poison)
    assert made[0].isfinite().all()
    assert not made[1:].isfinite().any()
    assert not expected[1:].isfinite().any()


def test_a_square_of_a_picture_that_shows_nothing_hidden_is_black() -> None:
    from inference_service.filters.vision.draw.kernels.squares import squares

    areas = torch.zeros(2, 1, 64, 64, dtype=torch.bool, device=DEVICE)
    is_all = torch.tensor([False, True], device=DEVICE)
    found = squares(noise(2), areas, is_all, torch.full((2,), 8.0, device=DEVICE), 8, 6)
    assert not found.large[0].any()
    assert found.large[1].all()
