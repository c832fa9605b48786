from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference_service.filters.grade.grading import LUMA, Grading, Wish, grading, s_curve, vignette
from inference_service.filters.grade.looks import LOOKS, Look


def colour(found: Grading, red: int, green: int, blue: int) -> list[int]:
    """Return what a grading makes of one colour."""
    step = np.array([found.first[level, channel] for channel, level in enumerate((red, green, blue))])
    step = np.clip(np.rint(found.matrix @ step), 0, 255).astype(int)
    return [int(found.last[level, channel]) for channel, level in enumerate(step)]


def test_a_look_without_numbers_leaves_every_colour_as_it_is() -> None:
    found = grading(Look(), Wish())
    assert np.array_equal(found.first, np.arange(256)[:, None].repeat(3, axis=1))
    assert np.array_equal(found.last, found.first)
    assert np.allclose(found.matrix, np.eye(3))


def test_slope_offset_and_power_are_those_of_the_asc_cdl() -> None:
    found = grading(Look(slope=(0.5, 1, 1), offset=(0.1, 0, 0), power=(2, 1, 1)), Wish())
    # (0.5 x 0.5 + 0.1) ^ 2 = 0.1225, of a red of one half.
    assert found.first[128, 0] == round(((128 / 255) * 0.5 + 0.1) ** 2 * 255)
    assert found.first[128, 1] == 128


def test_no_saturation_is_the_luma_of_bt_709() -> None:
    found = grading(Look(saturation=0), Wish())
    assert colour(found, 255, 0, 0) == [round(255 * LUMA[0])] * 3
    assert colour(found, 0, 255, 0) == [round(255 * LUMA[1])] * 3


def test_more_saturation_keeps_greys() -> None:
    assert colour(grading(LOOKS["vivid"], Wish(contrast=-0.28)), 100, 100, 100) == [100, 100, 100]


def test_tints_colour_their_end_of_the_scale_alone() -> None:
    found = grading(Look(shadows=(0.2, 0, 0), highlights=(0, 0, -0.2)), Wish())
    assert colour(found, 0, 0, 0) == [51, 0, 0]
    assert colour(found, 255, 255, 255) == [255, 255, 204]


@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.0, 0.4, 1.0])
def test_the_s_curve_rises_and_keeps_both_ends_and_the_middle(strength: float) -> None:
    values = np.linspace(0, 1, 255)
    curve = s_curve(values, strength)
    assert np.allclose(curve[[0, 127, 254]], [0, 0.5, 1], atol=1e-6)
    assert (np.diff(curve) > 0).all()


def test_less_contrast_undoes_more() -> None:
    values = np.linspace(0.01, 0.99, 99)
    assert np.allclose(s_curve(s_curve(values, 0.5), -0.5), values, atol=1e-6)


def test_one_stop_is_twice_the_light_behind_a_gamma_of_2_2() -> None:
    found = grading(Look(), Wish(exposure=1))
    assert found.first[64, 0] == round(64 * 2 ** (1 / 2.2))


def test_warmth_takes_blue_for_red() -> None:
    warm, cold = (grading(Look(), Wish(warmth=w)).first[128] for w in (1, -1))
    assert warm[0] > 128 > warm[2]
    assert cold[0] < 128 < cold[2]


def test_corners_of_a_vignette_are_darkest_and_all_alike() -> None:
    shade = vignette(480, 640, 1.0)
    corners = shade[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert shade[240, 320] == 255
    assert len(set(corners.tolist())) == 1
    assert corners[0] == shade.min() < 120


@pytest.mark.parametrize("name", [name for name in LOOKS if name != "natural"])
def test_each_look_is_plain_at_a_glance(name: str) -> None:
    """Of six colours at least one moves by more than a sixteenth of the range."""
    found = grading(LOOKS[name], Wish())  # type: ignore[index]
    samples = [(200, 150, 120), (60, 90, 160), (40, 40, 40), (220, 220, 220), (90, 140, 70), (180, 40, 40)]
    moved = [abs(a - b) for one in samples for a, b in zip(one, colour(found, *one), strict=True)]
    assert max(moved) > 255 / 16


def test_looks_differ_from_one_another() -> None:
    plain = replace(LOOKS["natural"])
    assert plain == Look()
    assert len(set(LOOKS.values())) == len(LOOKS)
