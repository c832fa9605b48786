from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.densepose import paint
from inference_service.filters.densepose.paint import draw, enlargement, label
from inference_service.filters.densepose.palette import Look, table

SIZE = (96, 128)
PLAIN = Look(over_camera=False, alpha=1.0, colour_map="viridis", parts=())
BOXES = torch.tensor(
    [
        [3.7, 5.2, 60.9, 80.1],
        [40.0, 20.5, 128.0, 96.0],
        [30.2, 30.9, 50.1, 47.8],
        [10.6, 10.9, 11.4, 60.0],
        [0.0, 0.0, 128.0, 96.0],
    ]
)


def smooth_maps(people: int, seed: int, side: int = 28) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rough = torch.randn(people, 27, 7, 7, generator=generator)
    return nnf.interpolate(rough, (side, side), mode="bicubic")


def one_by_one(maps: Tensor, boxes: Tensor, size: tuple[int, int]) -> list[tuple[slice, slice, Tensor]]:
    """Labels per person as they are defined: stretch to whole pixels of the box, then take the largest."""
    found = []
    for person, (x1, y1, x2, y2) in zip(maps, boxes, strict=True):
        x, y, width, height = int(x1), int(y1), int(x2 - x1), int(y2 - y1)
        full = nnf.interpolate(
            person[None], (max(height, 1), max(width, 1)), mode="bilinear", align_corners=False
        )[0]
        labels = full[2:].argmax(0) * (full[:2].argmax(0) > 0)
        found.append((slice(y, y + height), slice(x, x + width), labels[:height, :width]))
    return found


def test_labels_are_those_of_each_person_on_its_own() -> None:
    maps = smooth_maps(len(BOXES), seed=1)
    labels = label(maps, BOXES, SIZE)
    for got, (rows, columns, expected) in zip(labels, one_by_one(maps, BOXES, SIZE), strict=True):
        assert got[rows, columns].tolist() == expected.tolist()
        outside = got.clone()
        outside[rows, columns] = 0
        assert not outside.any()
    assert len(labels.unique()) > 10


def test_enlarging_in_the_painter_equals_enlarging_before() -> None:
    maps = smooth_maps(len(BOXES), seed=2, side=14)
    before = nnf.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)
    expected = label(before, BOXES, SIZE)
    got = label(maps, BOXES, SIZE, enlargement(14, 2, torch.device("cpu")))
    assert (got == expected).float().mean() > 0.9999


def test_people_of_lower_rank_lie_below() -> None:
    maps = smooth_maps(len(BOXES), seed=3)
    background = np.zeros((*SIZE, 3), np.uint8)
    expected = cv2.applyColorMap(background[..., 0], cv2.COLORMAP_VIRIDIS)
    for rows, columns, labels in one_by_one(maps, BOXES, SIZE):
        if not labels.numel():
            continue
        colours = cv2.applyColorMap((labels.numpy() * 255 // 24).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
        window = expected[rows, columns]
        window[labels.numpy() > 0] = colours[labels.numpy() > 0]
    pictures = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    order = torch.tensor([3, 0, 4, 2, 1])
    for chosen in (torch.arange(5), order):
        drawn = draw(
            pictures,
            maps[chosen],
            BOXES[chosen],
            torch.zeros(5, dtype=torch.int64),
            chosen,
            table(PLAIN)[None],
        )
        assert np.array_equal(drawn[0].permute(1, 2, 0).numpy(), expected[..., ::-1])


def test_people_are_drawn_in_their_own_picture_alone() -> None:
    maps = smooth_maps(2, seed=4)
    pictures = torch.randint(0, 256, (3, 3, *SIZE), dtype=torch.uint8)
    over = table(Look(over_camera=True, alpha=0.5, colour_map="jet", parts=()))
    drawn = draw(
        pictures,
        maps,
        BOXES[:2],
        torch.tensor([2, 0]),
        torch.zeros(2, dtype=torch.int64),
        over.expand(3, 25, 4),
    )
    assert torch.equal(drawn[1], pictures[1].float())
    for picture, person in ((2, 0), (0, 1)):
        labels = label(maps[person : person + 1], BOXES[person : person + 1], SIZE)[0]
        expected = over[labels.long()][..., :3].permute(2, 0, 1) + pictures[picture] * torch.where(
            labels > 0, 0.5, 1.0
        )
        assert torch.allclose(drawn[picture], expected, atol=1e-3)


def test_whoever_has_no_rank_is_not_drawn() -> None:
    maps = smooth_maps(1, seed=5)
    pictures = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    first = torch.zeros(1, dtype=torch.int64)
    drawn = draw(pictures, maps, BOXES[:1], first, first - 1, table(PLAIN)[None])
    empty = draw(pictures, None, BOXES[:0], first[:0], first[:0], table(PLAIN)[None])
    assert torch.equal(drawn, empty)
    assert empty[0, :, 0, 0].tolist() == [68.0, 1.0, 84.0], "viridis begins with this colour"


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = smooth_maps(len(BOXES), seed=6)
    pictures = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    place = torch.zeros(5, dtype=torch.int64), torch.arange(5), table(PLAIN)[None]
    at_once = draw(pictures, maps, BOXES, *place)
    monkeypatch.setattr(paint, "CHUNK_BYTES", 2 * 27 * SIZE[0] * SIZE[1] * 4)
    assert torch.equal(draw(pictures, maps, BOXES, *place), at_once)


def test_a_spoilt_table_spoils_its_picture_alone() -> None:
    tables = table(PLAIN).repeat(2, 1, 1)
    tables[1] += torch.nan
    pictures = torch.zeros(2, 3, *SIZE, dtype=torch.uint8)
    nobody = torch.zeros(0, dtype=torch.int64)
    drawn = draw(pictures, None, BOXES[:0], nobody, nobody, tables)
    assert drawn[0].isfinite().all()
    assert drawn[1].isnan().all()
