from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from harness import kernels
from inference_service.device.kernels.twin import require_alike
from inference_service.filters.vision.draw.people_on_gpu import PEOPLE, Look, Parts
from inference_service.filters.vision.draw.skeletons import SKELETONS

pytestmark = pytest.mark.triton
DEVICE = kernels.device()
POINTS = {"body": 33, "coco": 17}


def scene(
    size: tuple[int, int] = (46, 70),
    people: int = 3,
    kind: str = "body",
    wanted: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Three pictures with people anywhere, some of it outside; as keywords of both forms."""
    random = torch.Generator().manual_seed(1)
    height, width = size
    pictures = torch.randint(0, 256, (3, height, width, 3), dtype=torch.uint8, generator=random)
    spread = torch.tensor([width, height]) * 1.6
    place = torch.rand((3, people, POINTS[kind], 2), generator=random) * spread - spread * 0.2
    look = {"radius": 0.03, "min_point_score": 0.4, "has_face": 1.0, "has_ends": 1.0, "camera": 0.7}
    rows = torch.tensor([list((look | (wanted or {})).values())]).repeat(3, 1)
    # Each camera has a look of its own.
    rows[1, 0], rows[2, 4] = 0.001, 1.0
    return {
        "pictures": pictures.permute(0, 3, 1, 2).to(DEVICE),
        "place": place.to(DEVICE),
        "score": torch.rand((3, people, POINTS[kind]), generator=random).to(DEVICE),
        "is_real": (torch.rand((3, people), generator=random) < 0.8).to(DEVICE),
        "look": Look(*rows.to(DEVICE).unbind(1)),
        "poison": torch.zeros(3, device=DEVICE),
        "parts": Parts.of(SKELETONS[kind], DEVICE),  # type: ignore[index]
        "thickest": float(rows[:, 0].max()),
    }


def both(given: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return PEOPLE.load_kernel()(*given.values()), PEOPLE.plain(*given.values())


def require_the_same_picture(given: dict[str, Any]) -> None:
    made, expected = both(given)
    assert (made.dtype, made.shape, made.stride()) == (torch.float32, expected.shape, expected.stride())
    apart = (made - expected).abs().amax(1)
    # Where edges of two lines meet, rounding may choose the other one.
    assert (apart > 1).float().mean() < 0.001
    assert (expected.round() != given["pictures"]).any()


@pytest.mark.parametrize("size", [(46, 70), (16, 32), (5, 3), (130, 33)])
@pytest.mark.parametrize("kind", ["body", "coco"])
def test_people_are_drawn_alike_by_the_kernel(size: tuple[int, int], kind: str) -> None:
    require_the_same_picture(scene(size, kind=kind))


@pytest.mark.parametrize(
    "wanted",
    [
        {"has_face": 0.0},
        {"has_ends": 0.0},
        {"camera": 0.0},
        {"min_point_score": 0.8},
        {"radius": 0.001},
        {"radius": 0.1},
    ],
)
def test_every_look_is_drawn_alike_by_the_kernel(wanted: dict[str, float]) -> None:
    require_the_same_picture(scene(wanted=wanted))


def test_more_lines_than_a_program_lists_are_drawn_in_their_order() -> None:
    require_the_same_picture(scene(people=8, kind="coco", wanted={"radius": 0.04}))


@pytest.mark.parametrize("layout", ["planes", "a part"])
def test_pictures_may_lie_otherwise(layout: str) -> None:
    given = scene()
    pictures = given["pictures"]
    given["pictures"] = (
        pictures.contiguous() if layout == "planes" else torch.cat((pictures, pictures), 3)[..., :70]
    )
    made, expected = both(given)
    assert ((made - expected).abs().amax(1) > 1).float().mean() < 0.001


def test_nobody_is_drawn_where_nobody_is() -> None:
    given = scene()
    given["is_real"][:] = False
    made, expected = both(given)
    require_alike("people", made, expected, 1e-3)
    given["place"] = given["place"][:, :0]
    given["score"], given["is_real"] = given["score"][:, :0], given["is_real"][:, :0]
    require_alike("people", PEOPLE.load_kernel()(*given.values()), expected, 1e-3)


def test_points_that_are_no_numbers_or_far_away_are_drawn_alike() -> None:
    given = scene()
    given["place"][0, :, 11] = torch.nan
    given["place"][1, :, 12, 0] = torch.inf
    given["place"][2, :, 15, 1] = -3e7
    given["score"][2, :, 16] = torch.nan
    require_the_same_picture(given)


def test_a_poisoned_picture_is_so_altogether() -> None:
    given = scene()
    given["poison"][1] = torch.nan
    given["poison"][2] = torch.inf
    made, expected = both(given)
    assert made[1].isnan().all()
    assert (~made[2].isfinite()).all()
    require_alike("people", made[:1].round(), expected[:1].round(), 1.0)


def test_one_poison_may_stand_for_all_pictures() -> None:
    given = scene()
    given["poison"] = torch.zeros(1, device=DEVICE).expand(len(given["pictures"]))
    require_the_same_picture(given)
    given["poison"] = torch.full((1,), torch.nan, device=DEVICE).expand(len(given["pictures"]))
    assert both(given)[0].isnan().all()


@pytest.mark.slow
def test_the_calls_that_a_card_decides_by_do_not_hang_on_rounding() -> None:
    (args,) = PEOPLE.samples(DEVICE)
    # One camera: two pictures take the interpreter long.
    args = tuple(
        Look(*(one[:1] for one in arg))
        if isinstance(arg, Look)
        else arg[:1]
        if isinstance(arg, Tensor)
        else arg
        for arg in args
    )
    require_alike("people", PEOPLE.load_kernel()(*args), PEOPLE.plain(*args), 1.0)
