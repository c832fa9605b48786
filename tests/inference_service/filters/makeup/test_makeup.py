"""`makeup` with its real networks on photographs: what it changes, where, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import photograph
from inference_service.filters.base import Item
from inference_service.filters.makeup import Makeup
from inference_service.filters.makeup.paint import AMOUNTS
from inference_service.filters.vision.networks.people import face_topology as topology

BARE = dict.fromkeys(AMOUNTS, 0.0)


@pytest.fixture(scope="module")
def makeup() -> Makeup:
    one = Makeup()
    one.load(torch.device("cpu"))
    return one


def photo(name: str = "astronaut") -> Tensor:
    return photograph(name)[:, :, :400, 40:440].contiguous(memory_format=torch.channels_last)


def item(state: dict[str, Any] | None = None, sequence: int = 0, **params: Any) -> Item:
    return Item(bytes(16), sequence, Makeup.Params(**params), {} if state is None else state)


def shown(makeup: Makeup, picture: Tensor, **params: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The picture with make-up, its change (3, H, W) float32, and the points of its face (468, 2)."""
    one = item(**params)
    after = makeup.apply(picture.clone(), [one])
    return after, (after.float() - picture.float())[0], one.state["points"][0, :, :2]


def inside(points: Tensor, ring: tuple[int, ...], size: tuple[int, int]) -> Tensor:
    """(H, W) bool: what lies within a contour."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [points[list(ring)].round().int().numpy()], 1)
    return torch.from_numpy(mask) > 0


def test_without_any_amount_the_picture_is_as_it_was(makeup: Makeup) -> None:
    after, _, _ = shown(makeup, photo(), **BARE)
    assert torch.equal(after, photo())


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_lipstick_is_on_the_lips_alone(makeup: Makeup, name: str) -> None:
    _, change, points = shown(makeup, photo(name), **BARE | {"lips": 1.0, "lip_colour": "#2040e0"})
    size = (400, 400)
    outer, inner = inside(points, topology.LIPS_OUTER, size), inside(points, topology.LIPS_INNER, size)
    lips = outer & ~inner
    assert (change[2] - change[0])[lips].mean() > 30
    near = torch.from_numpy(cv2.dilate(outer.byte().numpy(), np.ones((9, 9)))) > 0
    assert not change[:, ~near].any()


def test_what_is_painted_keeps_its_relief(makeup: Makeup) -> None:
    after, _, points = shown(makeup, photo("hopper"), **BARE | {"lips": 1.0})
    lips = inside(points, topology.LIPS_OUTER, (400, 400))
    before, made = (picture[0].float().mean(0)[lips] for picture in (photo("hopper"), after))
    assert torch.corrcoef(torch.stack((before, made)))[0, 1] > 0.8


def test_each_amount_changes_its_own_place(makeup: Makeup) -> None:
    places = {
        "cheeks": ((205, 50, 280, 425), "cheek_colour"),
        "brows": ((105, 334, 63, 293), "brow_colour"),
        "lids": ((27, 257), "lid_colour"),
        "line": ((159, 386), "line_colour"),
    }
    for amount, (numbers, colour) in places.items():
        _, change, points = shown(makeup, photo(), **BARE | {amount: 1.0, colour: "#208040"})
        shade = change.abs().sum(0)
        at = [shade[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].max() for x, y in points[list(numbers)]]
        assert min(at) > 12, amount
        nose, chin = points[topology.NOSE_TIP].int(), points[topology.CHIN].int()
        assert shade[nose[1], nose[0]] < 4, amount
        assert shade[chin[1] + 12 :].max() == 0, amount


def test_even_skin_keeps_its_texture_and_leaves_eyes_and_hair_alone(makeup: Makeup) -> None:
    after, change, points = shown(makeup, photo("hopper"), **BARE | {"smooth": 1.0})
    grey = [picture[0].float().mean(0).numpy() for picture in (photo("hopper"), after)]
    x, y = (int(one) for one in points[50])
    cheek = slice(y - 8, y + 22), slice(x - 15, x + 15)

    def band(picture: Any, fine: float, coarse: float) -> float:
        blurred = [cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in (fine, coarse)]
        return float((blurred[0] - blurred[1])[cheek].std())

    fine = [float((one - cv2.GaussianBlur(one, (0, 0), 0.8))[cheek].std()) for one in grey]
    middle = [band(one, 1.5, 5) for one in grey]
    assert fine[1] > 0.9 * fine[0]
    assert middle[1] < 0.8 * middle[0]
    for eye in (topology.RIGHT_EYE, topology.LEFT_EYE):
        assert change[:, inside(points, eye, (400, 400))].abs().mean() < 0.5
    top = int(points[topology.FOREHEAD, 1])
    assert not change[:, : top - 4].any()


def test_nothing_is_painted_on_what_is_held_before_the_mouth(makeup: Makeup) -> None:
    picture = photo()
    _, _, points = shown(makeup, picture)
    x, y = (int(one) for one in points[17])
    picture[:, :, y - 14 : y + 14, x - 45 : x + 45] = torch.tensor([30, 120, 50]).view(1, 3, 1, 1)
    _, change, _ = shown(makeup, picture, **BARE | {"lips": 1.0, "smooth": 1.0})
    assert change[:, y - 8 : y + 8, x - 30 : x + 30].abs().mean() < 2


def test_a_dark_face_stays_dark(makeup: Makeup) -> None:
    dark = (photo().float() * 0.15).to(torch.uint8)
    _, change, _ = shown(makeup, dark, lips=1.0, lip_colour="#ff5070", gloss=1.0, cheeks=1.0)
    assert change.abs().max() > 3
    assert change.max() < 30


def test_lipstick_follows_a_head_that_turns_and_grows(makeup: Makeup) -> None:
    whole = photo()[0].permute(1, 2, 0).numpy()
    state: dict[str, Any] = {}
    wish = BARE | {"lips": 1.0, "lip_colour": "#2040e0"}
    middles = []
    for number in range(7):
        matrix = cv2.getRotationMatrix2D((185.0, 120.0), 6.0 * number, 1 + 0.05 * number)
        turned = np.asarray(cv2.warpAffine(whole, matrix, (400, 400)), np.uint8)
        batch = torch.from_numpy(turned).permute(2, 0, 1)[None]
        after = makeup.apply(batch.clone(), [item(state, number, **wish)])
        blue = (after.float() - batch.float())[0, 2].clamp(min=0)
        back = cv2.invertAffineTransform(matrix)
        mass = blue.sum()
        middle = [
            float((blue * steps).sum() / mass) for steps in (torch.arange(400), torch.arange(400)[:, None])
        ]
        middles.append(back @ np.array([*middle, 1.0]))
    assert np.ptp(middles, axis=0).max() < 3


def test_photographs_of_several_sessions_are_what_each_is_alone(makeup: Makeup) -> None:
    pictures = torch.cat((photo(), photo("hopper")))
    wishes: list[dict[str, Any]] = [{"lip_colour": "#00a000"}, {"smooth": 1.0, "lips": 0.0}]
    both = makeup.apply(pictures.clone(), [item(**wish) for wish in wishes])
    for number, wish in enumerate(wishes):
        alone = makeup.apply(pictures[number : number + 1].clone(), [item(**wish)])
        assert (both[number].int() - alone[0].int()).abs().max() <= 2
        assert not torch.equal(alone[0], pictures[number])


@pytest.mark.parametrize("size", [(2, 2), (16, 8), (34, 1280), (480, 640)])
def test_pictures_without_a_face_are_left_as_they_are(makeup: Makeup, size: tuple[int, int]) -> None:
    black = torch.zeros(1, 3, *size, dtype=torch.uint8)
    noise = torch.randint(0, 256, (1, 3, *size), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    for picture in (black, noise):
        assert torch.equal(makeup.apply(picture.clone(), [item()]), picture)


def test_forty_faces_are_no_error_and_four_are_made_up(makeup: Makeup) -> None:
    one = nnf.interpolate(photograph("astronaut")[:, :, :256, 96:352].float(), (120, 100)).to(torch.uint8)
    crowd = one.repeat(1, 1, 5, 8)
    _, change, _ = shown(makeup, crowd, lips=1.0)
    faces = change.abs().sum(0).unfold(0, 120, 120).unfold(1, 100, 100).sum((2, 3))
    assert (faces > 2000).sum() == 4


def test_parameters_are_checked() -> None:
    for wrong in ({"lips": 1.5}, {"lip_colour": "red"}, {"other": 1}):
        with pytest.raises(ValidationError):
            Makeup.Params.model_validate(wrong)
