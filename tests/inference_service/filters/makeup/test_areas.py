"""Areas of a face: the parts of a sheet that are worked on, and those that are left out."""

from __future__ import annotations

import math

import pytest
import torch

from inference_service.filters.makeup.areas import REACH, SIDE, Areas, Box, Finder
from inference_service.filters.vision.networks.people import regions
from inference_service.filters.vision.networks.people.face_topology import OVAL
from inference_service.filters.vision.people import sheets
from tests.inference_service.filters.vision.people.test_heads import mesh

CPU = torch.device("cpu")


def on_sheet(tilt: float = 0.0, turn: float = 0.0) -> torch.Tensor:
    """The points of a face, (1, 468, 2), in pixels of its sheet."""
    points = mesh(turn, 0.0, tilt)[0]
    where = regions.of_meshes(points) * torch.tensor([1.0, 1.0, REACH, 1.0])
    return sheets.to_sheets(points[..., :2], where, SIDE)


def whole(map_: torch.Tensor, box: Box) -> torch.Tensor:
    sheet = torch.zeros(1, 1, SIDE, SIDE)
    sheet[..., *box] = map_
    return sheet


def everywhere(areas: Areas) -> list[torch.Tensor]:
    at_eyes = [whole(map_, areas.eyes) for map_ in (areas.lid, areas.line, areas.brows)]
    return [*at_eyes, whole(areas.lips, areas.mouth), areas.cheeks, areas.skin]


@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_what_a_cpu_leaves_out_is_empty(turn: float) -> None:
    points = on_sheet(0.2, turn)
    parts, all_of_it = (Finder(CPU, has_boxes).areas(points) for has_boxes in (True, False))
    rows, columns = parts.mouth
    assert (rows.stop - rows.start) * (columns.stop - columns.start) < SIDE * SIDE / 4
    for found, expected in zip(everywhere(parts), everywhere(all_of_it), strict=True):
        assert expected.max() > 0.3
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_parts_of_a_face_beyond_its_sheet_are_no_error() -> None:
    points = on_sheet() + torch.tensor([3.0 * SIDE, -2.0 * SIDE])
    assert all(not map_.any() for map_ in Finder(CPU).areas(points)[1:4] if isinstance(map_, torch.Tensor))


@pytest.mark.parametrize("tilt", [0.0, math.pi / 8, math.pi / 4, math.pi / 2])
def test_a_face_fits_on_its_sheet_however_it_is_tilted(tilt: float) -> None:
    oval = on_sheet(tilt)[:, list(OVAL)]
    assert oval.min() > 4
    assert oval.max() < SIDE - 4
