"""`animal` with its real networks on photographs: what is drawn where, and what is left alone."""

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
from inference_service.filters.animal import Animal, drawn
from inference_service.filters.animal.art.album import album
from inference_service.filters.animal.cards import KINDS
from inference_service.filters.animal.draw_device import Gallery, draw_on_device
from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people import face_topology as face

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def animal() -> Animal:
    one = Animal()
    one.load(CPU)
    return one


def photo(name: str = "hopper") -> Tensor:
    return photograph(name)[:, :, :400, 40:440].contiguous(memory_format=torch.channels_last)


def item(state: dict[str, Any] | None = None, sequence: int = 0, **params: Any) -> Item:
    return Item(bytes(16), sequence, Animal.Params(**params), {} if state is None else state)


def change(animal: Animal, picture: Tensor, one: Item) -> Tensor:
    after = animal.apply(picture.clone(), [one])
    assert isinstance(after, Tensor)
    assert after.dtype is torch.uint8
    return (after.float() - picture.float())[0].abs().sum(0)


def test_an_animal_is_drawn_when_it_is_asked_for_and_only_once() -> None:
    album.cache_clear()
    one = Animal()
    one.load(CPU)
    assert album.cache_info().currsize == 1  # The one that is chosen by default.
    for sequence in (0, 1):
        one.apply(photo(), [item(sequence=sequence, animal="bear")])
    assert album.cache_info().misses == 2


@pytest.mark.parametrize("kind", KINDS)
def test_ears_and_nose_are_drawn_and_the_rest_is_left(animal: Animal, kind: str) -> None:
    one = item(animal=kind)
    picture = photo("astronaut")
    shade = change(animal, picture, one)
    points = one.state["points"][0, :, :2]
    nose = points[face.NOSE_TIP].round().int()
    assert shade[nose[1] - 4 : nose[1] + 5, nose[0] - 4 : nose[0] + 5].mean() > 60
    top = int(points[face.FOREHEAD, 1])
    middle = int(points[face.FOREHEAD, 0])
    for side in (shade[:top, :middle], shade[:top, middle:]):
        assert (side > 60).sum() > 300
    assert not shade[int(points[face.CHIN, 1]) + 4 :].any()
    eyes = points[[159, 145, 386, 374]].round().int()
    assert all(shade[y - 1 : y + 2, x - 1 : x + 2].max() < 20 for x, y in eyes)


def test_no_fur_leaves_nose_and_ears(animal: Animal) -> None:
    with_fur, without = (change(animal, photo(), item(animal="bear", fur=fur)) for fur in (1.0, 0.0))
    one = item(animal="bear")
    change(animal, photo(), one)
    x, y = one.state["points"][0, 206, :2].round().int().tolist()
    assert with_fur[y - 2 : y + 3, x - 2 : x + 3].mean() > 20
    assert without[y - 2 : y + 3, x - 2 : x + 3].mean() < 3
    assert (without > 60).sum() > 1000


def test_what_is_drawn_follows_a_head_that_turns_and_grows(animal: Animal) -> None:
    whole = photo("astronaut")[0].permute(1, 2, 0).numpy()
    state: dict[str, Any] = {}
    places = []
    for number in range(6):
        matrix = cv2.getRotationMatrix2D((185.0, 140.0), 6.0 * number, 1 + 0.04 * number)
        turned = np.asarray(cv2.warpAffine(whole, matrix, (400, 400)), np.uint8)
        batch = torch.from_numpy(turned).permute(2, 0, 1)[None]
        shade = change(animal, batch, item(state, number, animal="dog"))
        back = cv2.warpAffine(shade.numpy(), matrix, (400, 400), flags=cv2.WARP_INVERSE_MAP)
        v, u = np.nonzero(back > 80)
        places.append((u.mean(), v.mean()))
    assert np.ptp(places, axis=0).max() < 5


def test_it_is_as_dark_as_the_face_is(animal: Animal) -> None:
    def brightest(share: float) -> float:
        picture = (photo().float() * share).to(torch.uint8)
        one = item(animal="rabbit")
        after = animal.apply(picture.clone(), [one])[0].float().mean(0)
        x, y = one.state["points"][0, 206, :2].round().int().tolist()
        return float(after[y - 6 : y + 7, x - 6 : x + 7].mean())

    assert brightest(0.25) < 0.5 * brightest(1.0)


def test_a_gpu_would_draw_the_same(animal: Animal) -> None:
    """The tensor path, run on a CPU here, against OpenCV's."""
    batch = torch.cat((photo("astronaut"), photo()))
    items = [item(animal="fox"), item(animal="dog", ears=1.3, fur=0.5)]
    assert animal._follower is not None
    assert animal._stage is not None
    with torch.inference_mode():
        seen = animal._follower.follow(batch, items)
        rows = animal._rows.stack([one.params for one in items])
        scene = animal._stage.scene(batch, seen, items, rows)
        assert scene is not None
        found = drawn(batch.clone(), scene, items)
        for one in items:
            del one.state["light"]
        try:
            animal._stage.has_every_place = True
            scene = animal._stage.scene(batch, seen, items, rows)
        finally:
            animal._stage.has_every_place = False
        assert scene is not None
        other = draw_on_device(batch, scene, rows[:, 0].long(), Gallery(CPU))
    assert other.isfinite().all()
    change_ = (found.float() - batch.float()).abs().mean()
    assert (found.float() - other).abs().mean() < 0.08 * change_
    assert not (other - batch.float())[:, :, 380:].any()


def test_photographs_of_several_sessions_are_what_each_is_alone(animal: Animal) -> None:
    pictures = torch.cat((photo(), photo("astronaut")))
    wishes: list[dict[str, Any]] = [{"animal": "bear"}, {"animal": "mouse", "ears": 0.7}]
    both = animal.apply(pictures.clone(), [item(**wish) for wish in wishes])
    for number, wish in enumerate(wishes):
        alone = animal.apply(pictures[number : number + 1].clone(), [item(**wish)])
        assert (both[number].float() - alone[0].float()).abs().mean() < 0.05


@pytest.mark.parametrize("size", [(2, 2), (16, 8), (34, 1280), (480, 640)])
def test_pictures_without_a_face_are_left_as_they_are(animal: Animal, size: tuple[int, int]) -> None:
    black = torch.zeros(1, 3, *size, dtype=torch.uint8)
    assert torch.equal(animal.apply(black.clone(), [item()]), black)


def test_forty_faces_are_no_error_and_four_are_animals(animal: Animal) -> None:
    one = nnf.interpolate(photograph("astronaut")[:, :, :256, 96:352].float(), (120, 100)).to(torch.uint8)
    shade = change(animal, one.repeat(1, 1, 5, 8), item(animal="bear"))
    noses = shade.unfold(0, 120, 120).unfold(1, 100, 100)[:, :, 45:70, 35:65].mean((2, 3))
    assert (noses > 40).sum() == 4


def test_parameters_are_checked() -> None:
    for wrong in ({"animal": "horse"}, {"ears": 3.0}, {"other": 1}):
        with pytest.raises(ValidationError):
            Animal.Params.model_validate(wrong)
