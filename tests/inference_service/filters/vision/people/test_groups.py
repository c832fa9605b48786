"""People side by side: who the whole picture shows too small is found in a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from harness.photograph import astronaut
from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people.detections import Detections
from inference_service.filters.vision.people import groups
from inference_service.filters.vision.people.bodies import LOOK_EVERY, LOOK_EVERY_ALONE, Bodies

CPU = torch.device("cpu")
LEAST = torch.tensor([0.6])
SHOULDERS = (0.44, 0.5)
"""Where their middle is in the photograph, in its sides."""


def collage(widths: Sequence[int], size: tuple[int, int] | None = None, top: int | None = None) -> Tensor:
    """Return (1, 3, H, W): the photograph side by side on grey, as squares of `widths`, on the ground."""
    width, height = size or (sum(widths), max(widths))
    picture = np.full((height, width, 3), 60, np.uint8)
    left = (width - sum(widths)) // 2
    for wide in widths:
        row = height - wide if top is None else top
        small = cv2.resize(astronaut(), (wide, wide), interpolation=cv2.INTER_AREA)
        picture[row : row + wide, left : left + wide] = small
        left += wide
    return torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()


def middles(bodies: Bodies, picture: Tensor, frames: Sequence[int]) -> list[float]:
    """Return the columns of the shoulders' middles of all who are there in the last frame."""
    state: dict[str, Any] = {}
    for sequence in frames:
        seen = bodies.see(picture, [Item(bytes(16), sequence, None, state)], LEAST, torch.tensor([2.0]))
    found = groups.shoulders_of(seen.points)[0, seen.scores[0] >= LEAST]
    return sorted(found[:, 0].tolist())


@pytest.fixture(scope="module")
def bodies() -> Bodies:
    return Bodies(CPU, torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("widths", "size"),
    [
        ([320] * 3, None),
        ([240] * 4, None),
        ([400, 240, 320], None),
        ([160] * 4, (640, 480)),
        ([211, 160, 128], (640, 480)),
        ([320] * 4, (1280, 720)),
    ],
)
def test_everybody_of_a_group_is_found(bodies: Bodies, widths: list[int], size: tuple[int, int]) -> None:
    picture = collage(widths, size)
    looks = -(-len(groups.tiles_of(*picture.shape[2:])) // groups.TILES)
    found = middles(bodies, picture, range(0, LOOK_EVERY * looks, 5))
    left = (picture.shape[3] - sum(widths)) / 2
    places = [left + sum(widths[:i]) + SHOULDERS[0] * wide for i, wide in enumerate(widths)]
    assert len(found) == len(places)
    assert all(abs(one - place) < 0.2 * min(widths) for one, place in zip(found, places, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("top", [0, 200, 380])
def test_people_on_posters_are_not_found(bodies: Bodies, top: int) -> None:
    frames = range(0, 4 * LOOK_EVERY_ALONE, LOOK_EVERY_ALONE)
    assert middles(bodies, collage([100, 90, 80], (640, 480), top), frames) == []


@pytest.mark.slow
def test_one_person_is_found_once(bodies: Bodies) -> None:
    assert len(middles(bodies, collage([300], (640, 480)), range(0, 4 * LOOK_EVERY, 5))) == 1


def one_in_each(upper: float) -> Any:
    """Return a finder that sees somebody at (30, 30) of each picture, with so large an upper body."""

    def find(pictures: Tensor, least: Tensor) -> Detections:
        n = len(pictures)
        points = torch.tensor([[30.0, 40], [30, 0], [30, 30], [30, 30 - upper]]).expand(n, 1, 4, 2)
        return Detections((least <= 0.6).float(), torch.zeros(n, 1, 4), points)

    return find


def test_each_picture_has_tiles_of_its_own_turn() -> None:
    pictures = torch.zeros(2, 3, 240, 320, dtype=torch.uint8)
    found = groups.look(one_in_each(40.0), pictures, [0, 1], LEAST.expand(2))
    tiles = groups.tiles_of(240, 320)
    for number in range(2):
        places = [[30.0, 30.0]] + [[30.0 + x, 30.0 + y] for x, y, _ in tiles[2 * number : 2 * number + 2]]
        assert found.shoulders[number].tolist() == places
    # The first tile lies in the picture's corner: the person of both is one.
    assert found.is_found.tolist() == [[True, False, True], [True, True, True]]


def test_a_small_person_counts_in_the_whole_picture_alone() -> None:
    pictures = torch.zeros(1, 3, 240, 320, dtype=torch.uint8)
    found = groups.look(one_in_each(0.9 * groups.LEAST_UPPER * 320), pictures, [1], LEAST)
    assert found.is_found.tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    "size", [(480, 640), (640, 480), (720, 1280), (240, 960), (512, 512), (2, 2), (1, 5)]
)
def test_tiles_cover_the_picture(size: tuple[int, int]) -> None:
    seen = torch.zeros(size)
    for left, top, side in groups.tiles_of(*size):
        part = seen[top : top + side, left : left + side]
        assert part.shape == (side, side)
        part += 1
    assert seen.min() >= 1
