"""What filters say of a picture without people or with too many, and the words of pages for it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.network_inputs import photograph
from inference_service.filters import pose
from inference_service.filters.background import Background
from inference_service.filters.base import Filter, Item
from inference_service.filters.frame import Frame
from inference_service.filters.pose import Pose
from tests.inference_service.filters.telling import data_of

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", params=[Background, Frame, Pose])
def one(request: pytest.FixtureRequest) -> Filter:
    made: Filter = request.param()
    made.load(torch.device("cpu"))
    return made


def said(one: Filter, picture: Tensor) -> list[str]:
    """Return what is told of the first frame of a call."""
    return [label.label for label in data_of(one, picture).labels]


def test_a_picture_without_anybody_is_told_of(one: Filter) -> None:
    photo = photograph("astronaut")
    noise = torch.randint(0, 256, photo.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert said(one, photo) == []
    for empty in (torch.zeros_like(photo), torch.full_like(photo, 90), noise):
        assert said(one, empty) == ["no_person"]


def test_nothing_is_told_where_nobody_wants_it(one: Filter) -> None:
    picture = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    assert isinstance(one.apply(picture, [Item(bytes(16), 0, one.Params())]), Tensor)


@pytest.mark.parametrize(("people", "labels"), [(0, ["no_person"]), (3, []), (4, ["most_people"])])
def test_as_many_people_as_can_have_skeletons_are_told_of(people: int, labels: list[str]) -> None:
    rows = np.zeros((4, 34, 3), np.float32)
    rows[:people, -1] = 1
    assert [label.label for label in pose.told(rows).labels] == labels


def test_pages_have_words_for_every_label_of_the_reference() -> None:
    section = (ROOT / "docs" / "reference.md").read_text().partition("### Remarks")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.M)
    told = {f"{name}.{label}" for label, of in rows for name in re.findall(r"`(\w+)`", of)}
    known = set(re.findall(r'^  "(\w+\.\w+)",$', (ROOT / "static/demo/remarks.js").read_text(), re.M))
    words = (ROOT / "static" / "demo" / "text" / "ja.js").read_text()
    assert "pose.no_person" in told
    # What is said of a picture that is covered whole has words of its own.
    covered = {"face.all_covered", "face.too_many_faces", "face.too_flat", "face.unsure"}
    assert told - covered == {one for one in known if not one.startswith("covered.")}
    assert [one for one in known if f'"remark.{one}"' not in words] == []
