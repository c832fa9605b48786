"""What `makeup` and `animal` tell of a picture: with their real networks on photographs and none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import photograph
from inference_service.filters.animal import Animal
from inference_service.filters.base import Item
from inference_service.filters.makeup import Makeup
from tests.inference_service.filters.telling import data_of


@pytest.fixture(scope="module", params=[Makeup, Animal])
def one(request: pytest.FixtureRequest) -> Makeup | Animal:
    made: Makeup | Animal = request.param()
    made.load(torch.device("cpu"))
    return made


def said(one: Makeup | Animal, picture: Tensor) -> tuple[float, list[str]]:
    """How many faces are told of the first frame, and in which words."""
    data = data_of(one, picture)
    return data.numbers["faces"], [label.label for label in data.labels]


def test_how_many_faces_there_are_is_told(one: Makeup | Animal) -> None:
    photo = photograph("astronaut")[:, :, :400, 40:440]
    face = nnf.interpolate(photo[:, :, :256, 56:312].float(), (120, 100)).to(torch.uint8)
    assert said(one, photo) == (1, [])
    assert said(one, torch.zeros_like(photo)) == (0, ["no_face"])
    assert said(one, face.repeat(1, 1, 2, 4)) == (4, ["most_faces"])


def test_nothing_is_told_where_nobody_wants_it(one: Makeup | Animal) -> None:
    picture = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    assert isinstance(one.apply(picture, [Item(bytes(16), 0, one.Params())]), Tensor)
