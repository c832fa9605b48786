"""`frame` by faces given by hand, and with its networks on photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import photograph
from inference_service.filters.base import Item
from inference_service.filters.frame import GLANCE_EVERY, Frame, aim, row
from inference_service.filters.vision.people.glances import MOST_FACES, Faces
from inference_service.filters.vision.rows import Rows

CPU = torch.device("cpu")
SIZE = (120, 160)
Box = tuple[float, float, float]
"""A face by its middle and side, in pixels."""


class Call:
    """One camera of SIZE whose faces are given by hand; `apply` as the worker calls it."""

    def __init__(self, **params: object) -> None:
        self._frame = Frame()
        self._frame._glances = self  # type: ignore[assignment]
        self._frame._rows = Rows(row, CPU)
        self._item = Item(bytes(16), 0, Frame.Params.model_validate(params))
        self.faces: Sequence[Box] = ()

    def look(self, items: Sequence[Item], pictures: object) -> Faces:
        boxes = torch.zeros(1, MOST_FACES, 4)
        for number, (x, y, side) in enumerate(self.faces):
            boxes[0, number] = torch.tensor([x - side / 2, y - side / 2, x + side / 2, y + side / 2])
        is_fresh = self._item.sequence % GLANCE_EVERY == 0
        return Faces(boxes, torch.arange(MOST_FACES)[None] < len(self.faces), [is_fresh])

    def view(self, frames: int = 1) -> tuple[float, float, float]:
        """Return x, y and height, in pixels, of what is shown after so many frames."""
        height, width = SIZE
        for _ in range(frames):
            self._frame.apply(torch.zeros(1, 3, *SIZE, dtype=torch.uint8), [self._item])
            self._item.sequence += 1
        x, y, side = aim.shown(self._item.state["aim"][0].motion.at[None], width / height)
        return float(x) * height, float(y) * height, float(side) * height


def test_the_first_frame_is_framed_already() -> None:
    call = Call()
    call.faces = [(100.0, 50.0, 20.0)]
    x, y, height = call.view()
    assert x == pytest.approx(100, abs=1)
    assert height < 90
    assert y - height / 2 < 50 < y


def test_nobody_is_the_whole_picture() -> None:
    assert Call().view(3) == pytest.approx((80, 60, 120))


def test_closeness_and_largest_zoom_are_kept() -> None:
    heights = []
    for closeness in (0.0, 0.5, 1.0):
        call = Call(closeness=closeness, zoom=4.0)
        call.faces = [(80.0, 60.0, 20.0)]
        heights.append(call.view()[2])
    assert heights[0] > 1.2 * heights[1] > 1.2 * 1.2 * heights[2]
    call = Call(zoom=1.5)
    call.faces = [(80.0, 60.0, 10.0)]
    assert call.view()[2] == pytest.approx(120 / 1.5, rel=0.01)
    call = Call(zoom=1.0)
    call.faces = [(20.0, 60.0, 10.0)]
    assert call.view()[2] == pytest.approx(120)


def test_everybody_is_kept_in() -> None:
    call = Call()
    call.faces = [(45.0, 60.0, 18.0), (115.0, 50.0, 14.0)]
    x, _, height = call.view()
    assert x - height * 4 / 6 < 45 - 9
    assert x + height * 4 / 6 > 115 + 7


def test_never_beyond_the_picture() -> None:
    random = torch.Generator().manual_seed(0)
    middle = torch.rand(500, 1, 2, generator=random) * torch.tensor([200.0, 160.0]) - 20
    side = 2 + 200 * torch.rand(500, 1, 1, generator=random) ** 3
    closeness, zoom = torch.rand(500, generator=random), 1 + 3 * torch.rand(500, generator=random)
    wish = aim.Wish(closeness, zoom, torch.full((500,), 3.0))
    boxes = torch.cat((middle - side / 2, middle + side / 2), -1)
    heads = aim.heads_of(boxes, torch.ones(500, 1, dtype=torch.bool), SIZE[0])
    # On its way a view may be anywhere.
    view = aim.begun(heads, wish, 4 / 3).motion.at + 0.3 * torch.randn(500, 3, generator=random)
    x, y, height = aim.shown(view, 4 / 3)
    assert float(height.max()) <= 1
    for at, half, whole in ((x, height * 2 / 3, 4 / 3), (y, height / 2, 1.0)):
        assert (at - half >= -1e-5).all()
        assert (at + half <= whole + 1e-5).all()


def test_small_movements_are_let_be() -> None:
    call = Call()
    call.faces = [(80.0, 60.0, 20.0)]
    before = call.view(2)
    call.faces = [(82.0, 61.0, 20.5)]
    assert call.view(40) == pytest.approx(before, abs=1e-3)


def test_a_large_movement_is_followed_softly_and_to_the_end() -> None:
    call = Call()
    call.faces = [(70.0, 60.0, 18.0)]
    call.view(12)
    call.faces = [(100.0, 60.0, 18.0)]
    way = [call.view()[0] for _ in range(150)]
    steps = torch.tensor(way).diff()
    assert way[-1] == pytest.approx(100, abs=3)
    assert float(steps.min()) > -0.05
    # A third of a second of a camera's frames is the least that it takes.
    assert float(steps.max()) < 3
    assert float(steps.diff().abs().max()) < 0.8


def test_the_calmer_the_slower() -> None:
    ways = []
    for calm in (0.0, 1.0):
        call = Call(calm=calm)
        call.faces = [(70.0, 60.0, 18.0)]
        call.view(12)
        call.faces = [(95.0, 60.0, 18.0)]
        ways.append(call.view(25)[0])
    assert ways[0] > ways[1] + 5


def test_who_leaves_is_waited_for_and_then_the_whole_picture_comes_back_slowly() -> None:
    call = Call()
    call.faces = [(80.0, 60.0, 20.0)]
    before = call.view(12)
    call.faces = []
    assert call.view(45) == pytest.approx(before, abs=0.1)
    sides = [call.view()[2] for _ in range(240)]
    assert sides[-1] == pytest.approx(120, abs=1)
    assert float(torch.tensor(sides).diff().max()) < 3


def test_one_missed_glance_changes_nothing() -> None:
    call = Call()
    call.faces = [(40.0, 60.0, 16.0), (120.0, 60.0, 16.0)]
    before = call.view(12)
    call.faces = call.faces[:1]
    call.view(GLANCE_EVERY)
    call.faces = [(40.0, 60.0, 16.0), (120.0, 60.0, 16.0)]
    assert call.view(30) == pytest.approx(before, abs=0.1)


def test_numbers_that_are_not_finite_are_nobody() -> None:
    call = Call()
    call.faces = [(float("nan"), float("inf"), 3.0)]
    from inference_service.filters.vision.people.glances import Glances

    glances = Glances(CPU, GLANCE_EVERY)
    nobody = torch.zeros(1, MOST_FACES)
    nan = torch.full((1, MOST_FACES, 4), torch.nan)

    class Answer:
        boxes, scores = nan, nobody + torch.nan

    class Bodies:
        boxes, scores = nan[:, :4], nobody[:, :4] + 0.9

    glances._faces = lambda pictures: Answer  # type: ignore[assignment]
    glances._bodies = lambda pictures: Bodies  # type: ignore[assignment]
    picture = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    found = glances.look([Item(bytes(16), 0, None)], lambda numbers: picture)
    assert not found.is_real.any()
    assert found.boxes.isfinite().all()


@pytest.fixture(scope="module")
def frame() -> Frame:
    one = Frame()
    one.load(CPU)
    return one


def session(**params: object) -> Item:
    return Item(bytes(16), 0, Frame.Params.model_validate(params))


def aside(name: str) -> Tensor:
    """(1, 3, 240, 320): the photograph, small, in the left half of a grey picture."""
    picture = torch.full((1, 3, 240, 320), 120, dtype=torch.uint8)
    small = nnf.interpolate(photograph(name)[:, :, :480].float(), (150, 160), mode="bilinear", antialias=True)
    picture[:, :, 90:, :160] = small.round().to(torch.uint8)
    return picture


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_a_face_comes_nearer_to_the_middle_and_larger(frame: Frame, name: str) -> None:
    picture, item = aside(name), session()
    before = frame._glances._faces(picture).boxes[0, 0]  # type: ignore[union-attr]
    shown = frame.apply(picture.clone(), [item])
    assert shown.shape == picture.shape
    assert shown.dtype is torch.uint8
    after = frame._glances._faces(shown).boxes[0, 0]  # type: ignore[union-attr]
    assert after[2] - after[0] > 1.15 * (before[2] - before[0])
    assert abs(float(after[0] + after[2]) / 2 - 160) < abs(float(before[0] + before[2]) / 2 - 160) - 20


def test_a_camera_is_looked_at_a_few_times_a_second(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    glances: Any = frame._glances
    faces = glances._faces

    def look(pictures: Tensor) -> Any:
        looks.append(len(pictures))
        return faces(pictures)

    monkeypatch.setattr(glances, "_faces", look)
    items = [Item(bytes([number] * 16), 0, Frame.Params()) for number in range(3)]
    pictures = torch.cat([aside("astronaut")] * 3)
    for sequence in range(1 + 2 * GLANCE_EVERY):
        for item in items:
            item.sequence = sequence
        frame.apply(pictures.clone(), items)
    # All at first, and later not in the same frame.
    assert looks[0] == 3
    assert max(looks[1:]) == 1
    assert 3 * 2 <= sum(looks[1:]) <= 3 * 3


@pytest.mark.parametrize("size", [(2, 2), (16, 8), (240, 320), (34, 1280)])
@pytest.mark.parametrize("level", [0, 255])
def test_an_even_picture_passes_unchanged(frame: Frame, size: tuple[int, int], level: int) -> None:
    picture = torch.full((1, 3, *size), level, dtype=torch.uint8)
    assert torch.equal(frame.apply(picture.clone(), [session()]), picture)


def test_forty_faces_are_framed_without_an_error(frame: Frame) -> None:
    one = nnf.interpolate(photograph("astronaut")[:, :, :256, 96:352].float(), (48, 40)).to(torch.uint8)
    crowd = one.repeat(1, 1, 5, 8)
    assert frame.apply(crowd.clone(), [session()]).shape == crowd.shape


def test_sessions_of_a_batch_have_what_each_has_alone(frame: Frame) -> None:
    pictures = torch.cat([aside("astronaut"), aside("hopper")])
    wishes: tuple[dict[str, Any], ...] = ({"zoom": 1.5}, {"closeness": 1.0, "calm": 0.0})
    together, alone = ([session(**wish) for wish in wishes] for _ in range(2))
    for sequence in range(3):
        for item in (*together, *alone):
            item.sequence = sequence
        both = frame.apply(pictures.clone(), together)
        for number, item in enumerate(alone):
            single = frame.apply(pictures[number : number + 1].clone(), [item])
            assert (single[0].int() - both[number].int()).abs().float().mean() < 0.5


def test_parameters_are_checked() -> None:
    for wrong in ({"zoom": 0.5}, {"closeness": 2}, {"calm": -1}, {"other": 1}):
        with pytest.raises(ValidationError):
            Frame.Params.model_validate(wrong)
    assert not Frame.is_private
