"""Covers from frame to frame: what is found beside a face is covered where it is, without a mask."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.photograph import moving, read_photo
from inference_service.filters.base import Item
from inference_service.filters.face import Face
from inference_service.filters.vision.draw.covers import covered
from inference_service.filters.vision.draw.wishes import KINDS, Wishes
from inference_service.filters.vision.people.covers import (
    AXIS_X,
    COLUMNS,
    HAS_MASK,
    IS_THERE,
    RADIUS,
    X,
    Y,
    follow,
)
from inference_service.filters.vision.people.heads import Heads

FACE, COLLAR, FAR = (100.0, 80.0, 40.0), (102.0, 115.0, 28.0), (190.0, 80.0, 40.0)
At = tuple[float, float, float]


def seen(before: Tensor, certain: At | None, *found: At) -> Tensor:
    """Return the covers after a frame with a face that a mesh follows, and some that are only found."""
    at = torch.zeros(1, 4, 3)
    is_real = torch.zeros(1, 4, dtype=torch.bool)
    for place, one in enumerate((certain, *found)):
        if one is not None:
            at[0, place], is_real[0, place] = torch.tensor(one), True
    heads = Heads(at[..., :2], at[..., 2], torch.tensor([1.0, 0.0]).expand(1, 4, 2), torch.zeros(1, 4, 3))
    return follow(heads, is_real, before, torch.ones(1), known=1).covers


def nobody() -> Tensor:
    return torch.zeros(1, 8, COLUMNS)


def there(covers: Tensor) -> dict[tuple[int, int], bool]:
    """Return whether the cover at each place, x and y, has a mask."""
    rows = covers[0, covers[0, :, IS_THERE] > 0].tolist()
    return {(round(row[X]), round(row[Y])): row[HAS_MASK] > 0 for row in rows}


def test_what_is_found_beside_a_face_is_covered_without_a_mask_and_stays_where_it_is() -> None:
    covers = seen(nobody(), FACE)
    covers = seen(covers, FACE, COLLAR)
    for _ in range(5):
        assert there(covers) == {(100, 80): True, (102, 115): False}
        covers = seen(covers, FACE)


def test_the_cover_of_what_is_found_beside_a_face_is_no_smaller_than_it() -> None:
    covers = seen(seen(nobody(), FACE), FACE, COLLAR)
    assert sorted(covers[0, :, RADIUS].tolist())[-2] >= COLLAR[2]


def test_people_apart_have_a_mask_each_also_where_no_mesh_follows_one() -> None:
    assert there(seen(nobody(), FACE, FAR)) == {(100, 80): True, (190, 80): True}
    assert there(seen(nobody(), None, FACE, FAR)) == {(100, 80): True, (190, 80): True}


def test_of_two_found_beside_each_other_the_better_one_has_the_mask() -> None:
    assert there(seen(nobody(), None, FACE, COLLAR)) == {(100, 80): True, (102, 115): False}


def test_two_people_who_come_close_keep_their_masks_though_a_mesh_is_lost() -> None:
    near = (140.0, 80.0, 40.0)
    covers = seen(nobody(), FACE, FAR)
    for x in (175.0, 160.0, 150.0, 140.0):
        covers = seen(covers, FACE, (x, 80.0, 40.0))
    assert there(seen(covers, FACE, near)) == {(100, 80): True, (140, 80): True}


def test_a_face_that_jumps_takes_its_mask_along_and_its_old_place_stays_covered() -> None:
    covers = seen(seen(nobody(), FACE), (130.0, 80.0, 40.0))
    assert there(covers) == {(130, 80): True, (100, 80): False}


def test_a_face_that_is_lost_keeps_its_mask_while_a_collar_below_is_found() -> None:
    covers = seen(seen(nobody(), FACE), None, COLLAR)
    assert there(covers) == {(100, 80): True, (102, 115): False}


def test_a_mask_is_drawn_whole_over_what_is_covered_without_one() -> None:
    picture = torch.randint(0, 256, (1, 3, 240, 320), generator=torch.Generator().manual_seed(1)).byte()
    covers = torch.zeros(1, 2, COLUMNS)
    for row, (x, y, radius), has_mask in ((0, FACE, 1.0), (1, COLLAR, 0.0)):
        for column, value in {X: x, Y: y, RADIUS: radius, AXIS_X: 1.0, HAS_MASK: has_mask}.items():
            covers[0, row, column] = value
        covers[0, row, IS_THERE] = 1
    wishes = Wishes(["mask"], ["fox"], [6], torch.tensor([[1.0, 240, 136, 58, 6, KINDS.index("fox")]]))
    none, never = torch.zeros(1, 1, 64, 64, dtype=torch.bool), torch.zeros(1, dtype=torch.bool)
    alone, together = (
        covered(picture, rows, none, never, wishes, torch.zeros(1))[0].int()
        for rows in (covers[:, :1], covers)
    )
    is_changed = (alone != together).any(0)
    assert 500 < is_changed.sum() < 3.2 * COLLAR[2] ** 2
    # Nothing of the mask but its smooth edge: there the other picture shows the camera.
    assert (is_changed & (alone == picture[0].int()).all(0)).sum() > 0.9 * is_changed.sum()


def test_a_photograph_that_sways_shows_one_mask() -> None:
    face = Face()
    face.load(torch.device("cpu"))
    state: dict[str, Any] = {}
    counts = []
    for number, picture in enumerate(moving(read_photo(), 16)):
        batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
        face.apply(batch, [Item(bytes(16), number, Face.Params(mode="mask"), state)])
        counts.append(len(there(state["covers"][None])))
        assert list(there(state["covers"][None]).values()).count(True) == 1
    # A finder takes the collar for a face; else this shows nothing.
    assert max(counts) > 1
