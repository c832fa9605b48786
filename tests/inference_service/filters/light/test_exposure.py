"""How much light is missing, and how it comes."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.light import exposure
from inference_service.filters.light.exposure import FACE_TARGET, Wanted, begun, gain, moved, wanted

FULL = torch.ones(1, 1)
MOST = torch.full((1, 1, 1, 1), 5.0)
FRAME_S = torch.full((1, 1), 1 / 30)
YES, NO = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.bool)


def room(level: float, face: float | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return small luma of one level with a face of another, boxes, and which of them are real."""
    luma = torch.full((1, 1, 40, 60), level)
    boxes, is_real = torch.zeros(1, 2, 4), torch.zeros(1, 2, dtype=torch.bool)
    if face is not None:
        luma[..., 10:30, 20:40] = face
        boxes[0, 1], is_real[0, 1] = torch.tensor([20.0, 10, 40, 30]), True
    return luma, boxes, is_real


def after(level: float, need: Tensor) -> float:
    return level * float(gain(torch.full((1, 1, 1, 1), level), need, MOST))


def test_a_dark_face_comes_to_its_level_and_white_stays_white() -> None:
    for level in (0.1, 0.2, 0.3):
        need, has_face, _ = wanted(*room(0.98, level), FULL)
        assert bool(has_face)
        assert abs(after(level, need) - FACE_TARGET) < 0.06
        assert abs(after(1.0, need) - 1) < 1e-3


def test_a_dark_picture_is_multiplied_so_that_its_contrast_stays() -> None:
    need, _, _ = wanted(*room(0.2, 0.15), FULL)
    assert after(0.2, need) / after(0.15, need) > 1.2
    assert abs(after(0.15, need) - FACE_TARGET) < 0.03


def test_a_bright_face_needs_nothing_however_dark_its_room_is() -> None:
    for level in (0.5, 0.7):
        need, _, _ = wanted(*room(0.1, level), FULL)
        assert not need.any()


def test_without_a_face_the_middle_counts() -> None:
    need, has_face, _ = wanted(*room(0.15), FULL)
    assert not bool(has_face)
    assert after(0.15, need) > 0.3
    assert not wanted(*room(0.6), FULL).need.any()


def test_strength_0_adds_nothing_and_half_adds_less() -> None:
    luma, boxes, is_real = room(0.98, 0.2)
    assert not wanted(luma, boxes, is_real, FULL * 0).need.any()
    half, whole = (after(0.2, wanted(luma, boxes, is_real, FULL * share).need) for share in (0.5, 1.0))
    assert 0.2 < half < whole


def test_numbers_are_finite_for_any_picture_and_box() -> None:
    for level in (0.0, 1.0):
        for box in ([0.0, 0, 0, 0], [-50.0, -50, -40, -40], [500.0, 500, 900, 900], [5.0, 5, 5, 5]):
            luma, boxes, is_real = room(level)
            boxes[0, 0], is_real[0, 0] = torch.tensor(box), True
            need, _, _ = wanted(luma, boxes, is_real, FULL)
            assert need.isfinite().all()
            made = gain(luma, need, MOST)
            assert made.isfinite().all()
            assert 1 <= float(made.min()) <= float(made.max()) <= 5


def test_the_gain_never_turns_light_and_dark_round() -> None:
    level = torch.linspace(0, 1, 200)[None, None, None]
    for need in ([0.0, -0.6], [0.8, -0.3], [1.2, 0.0]):
        made = level * gain(level, torch.tensor([need]), MOST)
        assert (made.diff(dim=3) >= -1e-6).all()


def test_light_comes_softly_and_small_changes_are_let_be() -> None:
    last = begun(Wanted(torch.zeros(1, 2), YES, NO))
    need = torch.tensor([[0.4, -0.3]])
    way = []
    for _ in range(120):
        last = moved(last, Wanted(need, YES, NO), FRAME_S)
        way.append(float(last.motion.at[0, 0]))
    steps = torch.tensor(way).diff()
    assert way[-1] > 0.39
    assert way == sorted(way)
    assert float(steps.max()) < 0.02
    nearly = moved(last, Wanted(need + 0.04, YES, NO), FRAME_S)
    assert torch.equal(nearly.goal, last.goal)


def test_a_face_that_turns_away_changes_nothing_for_a_while() -> None:
    need, other = torch.tensor([[0.4, -0.3]]), torch.zeros(1, 2)
    last = begun(Wanted(need, YES, NO))
    for _ in range(int(exposure.ABSENCE_S * 30) - 2):
        last = moved(last, Wanted(other, NO, NO), FRAME_S)
    assert torch.allclose(last.motion.at, need, atol=1e-4)
    for _ in range(150):
        last = moved(last, Wanted(other, NO, NO), FRAME_S)
    assert float(last.motion.at.abs().max()) < 0.01


def test_a_black_picture_says_nothing() -> None:
    need = torch.tensor([[0.4, -0.3]])
    black = wanted(*room(0.0), FULL)
    assert not black.need.any()
    last = begun(Wanted(need, NO, NO))
    for _ in range(150):
        last = moved(last, black, FRAME_S)
    assert torch.allclose(last.motion.at, need, atol=1e-4)
