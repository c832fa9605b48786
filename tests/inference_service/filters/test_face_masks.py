"""The drawn masks of `face` follow turn, nod, tilt and mouth: on heads given by hand, and on a photograph."""

from __future__ import annotations

import math
from typing import Any, get_args

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from harness.network_inputs import photograph
from inference_service.filters.base import Item
from inference_service.filters.face import Face
from inference_service.filters.vision.draw.masks import Style, drawn
from inference_service.filters.vision.draw.nearest import nearest
from inference_service.filters.vision.people.covers import (
    AXIS_X,
    AXIS_Y,
    COLUMNS,
    IS_THERE,
    MOUTH,
    NOD,
    RADIUS,
    TURN,
    X,
    Y,
)

SIDE = 240
STYLES = get_args(Style)


def mask(style: Style, turn: float = 0.0, nod: float = 0.0, mouth: float = 0.0, tilt: float = 0.0) -> Tensor:
    """A mask in the middle of a black picture, (3, SIDE, SIDE)."""
    cover = torch.zeros(1, 1, COLUMNS)
    values = {X: SIDE / 2, Y: SIDE / 2, RADIUS: 60.0, AXIS_X: math.cos(tilt), AXIS_Y: math.sin(tilt)}
    for column, value in {**values, TURN: turn, NOD: nod, MOUTH: mouth, IS_THERE: 1.0}.items():
        cover[0, 0, column] = value
    places, _ = nearest(cover, torch.ones(1), (SIDE, SIDE))
    colours, share = drawn(style, places, torch.tensor([[240.0, 138.0, 58.0]]))
    return (colours * share)[0]


def features(picture: Tensor) -> tuple[float, float]:
    """The middle, x and y, of what is dark within the mask: eyes, nose, mouth's line."""
    steps = torch.arange(SIDE) - SIDE / 2 + 0.5
    is_face = torch.hypot(steps, steps[:, None]) < 48
    is_dark = (picture.sum(0) < 250) & is_face
    rows, columns = is_dark.nonzero(as_tuple=True)
    return float(columns.float().mean()), float(rows.float().mean())


@pytest.mark.parametrize("style", STYLES)
def test_a_face_that_turns_or_nods_takes_the_drawn_one_along(style: Style) -> None:
    x, y = features(mask(style))
    assert abs(x - SIDE / 2) < 1
    assert features(mask(style, turn=0.4))[0] > x + 6
    assert features(mask(style, turn=-0.4))[0] < x - 6
    assert features(mask(style, nod=0.5))[1] > y + 4
    assert features(mask(style, nod=-0.5))[1] < y - 4


@pytest.mark.parametrize("style", STYLES)
def test_the_outline_stays_when_the_face_turns(style: Style) -> None:
    still, turned = ((mask(style, turn=turn).sum(0) > 0).float() for turn in (0.0, 0.7))
    assert torch.equal(still, turned)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("tilt", [-0.9, 0.5])
def test_a_tilted_head_has_the_same_mask_tilted(style: Style, tilt: float) -> None:
    upright = mask(style, turn=0.2, mouth=0.6).permute(1, 2, 0).numpy()
    tilted = mask(style, turn=0.2, mouth=0.6, tilt=tilt).permute(1, 2, 0).numpy()
    middle = SIDE / 2 - 0.5
    back = cv2.getRotationMatrix2D((middle, middle), math.degrees(tilt), 1.0)
    again = cv2.warpAffine(tilted, back, (SIDE, SIDE))
    assert np.abs(again - upright).mean() < 2
    assert np.abs(tilted - upright).mean() > 2.5


@pytest.mark.parametrize("style", STYLES)
def test_the_drawn_mouth_opens_as_wide_as_the_mouth_does(style: Style) -> None:
    def red(mouth: float) -> int:
        return int(
            ((mask(style, mouth=mouth) - torch.tensor([120.0, 28, 36])[:, None, None]).abs().sum(0) < 8).sum()
        )

    assert red(0.0) == 0
    assert 60 < red(0.4) < 0.7 * red(1.0)


def test_the_mask_of_a_photograph_turns_with_it() -> None:
    face = Face()
    face.load(torch.device("cpu"))
    whole = photograph("astronaut")[0, :, :400, 40:440].permute(1, 2, 0).numpy()
    shown = []
    for degrees in (0.0, 35.0):
        matrix = cv2.getRotationMatrix2D((185.0, 120.0), degrees, 1.0)
        turned = np.asarray(
            cv2.warpAffine(whole, matrix, (400, 400), borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
        state: dict[str, Any] = {}
        batch = torch.from_numpy(turned).permute(2, 0, 1)[None]
        after = face.apply(batch, [Item(bytes(16), 0, Face.Params(mode="mask"), state)])
        back = cv2.warpAffine(
            after[0].permute(1, 2, 0).numpy(), matrix, (400, 400), flags=cv2.WARP_INVERSE_MAP
        )
        shown.append(back[70:190, 130:240].astype(float))
    # The same place of the same face is covered by the same colour.
    assert np.abs(shown[0] - shown[1]).mean() < 16
    assert np.abs(shown[0] - whole[70:190, 130:240]).mean() > 50
