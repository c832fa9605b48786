"""`light` on photographs with less light, before windows, and with a sensor's noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from harness.network_inputs import FACES
from harness.photograph import Image, dimmed, read_astronaut, read_photo
from inference_service.filters.base import Item
from inference_service.filters.light import Light

CPU = torch.device("cpu")
SIZE = (320, 240)
PHOTOGRAPHS: dict[str, Callable[[], Image]] = {
    "astronaut": lambda: read_astronaut(SIZE),
    "hopper": lambda: read_photo(size=SIZE),
}
FACE = {"astronaut": (slice(60, 90), slice(120, 155)), "hopper": (slice(90, 190), slice(115, 215))}
"""Rows and columns of skin."""


@pytest.fixture(scope="module")
def light() -> Light:
    one = Light()
    one.load(CPU)
    return one


def session(**params: object) -> Item:
    return Item(bytes(16), 0, Light.Params.model_validate(params))


def packed(image_rgb: Image) -> Tensor:
    return torch.from_numpy(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2YUV_I420))[None]


def show(light: Light, item: Item, planes: Tensor) -> Tensor:
    shown = light.apply(planes.clone(), [item])
    item.sequence += 1
    assert shown.shape == planes.shape
    assert shown.dtype is torch.uint8
    return shown


def luma(planes: Tensor) -> Tensor:
    """Return (H, W) float32."""
    return planes[0, : planes.shape[1] * 2 // 3].float()


def backlit(image_rgb: Image, stops: float) -> Image:
    """Return the picture with a dark person: everything darker but a bright window at the right."""
    dark = dimmed(image_rgb, stops)
    dark[:, -60:] = 250
    dark[:40] = 250
    return dark


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_well_lit_picture_stays_as_it_is(light: Light, name: str) -> None:
    planes, item = packed(PHOTOGRAPHS[name]()), session()
    for _ in range(3):
        assert (show(light, item, planes).int() - planes.int()).abs().max() <= 1


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("stops", [2, 4])
def test_a_dark_face_becomes_visible(light: Light, name: str, stops: int) -> None:
    planes = packed(dimmed(PHOTOGRAPHS[name](), stops))
    before, after = luma(planes)[FACE[name]].mean(), luma(show(light, session(), planes))[FACE[name]].mean()
    assert after > before + 12
    assert 80 < after < 150


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_before_a_window_the_face_becomes_visible_and_the_window_stays(light: Light, name: str) -> None:
    planes = packed(backlit(PHOTOGRAPHS[name](), 3))
    after = luma(show(light, session(), planes))
    assert after[FACE[name]].mean() > luma(planes)[FACE[name]].mean() + 18
    window = (slice(60, 200), slice(-40, -10))
    assert (after[window] - luma(planes)[window]).abs().mean() < 4


def test_no_light_spills_from_the_window_over_what_is_before_it(light: Light) -> None:
    planes = packed(np.full((240, 320, 3), 40, np.uint8))
    planes[0, :240, 240:] = 230
    after = luma(show(light, session(), planes))
    dark = after[60:180, :236].mean(0)
    assert float(dark.max() - dark.min()) < 6
    assert float(dark.mean()) > luma(planes)[60:180, :236].mean() + 12
    assert after[60:180, 250:].mean() > 220


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_noise_is_kept_down_over_time(light: Light, name: str) -> None:
    photograph = PHOTOGRAPHS[name]()
    frames = [packed(dimmed(photograph, 3, seed=seed)) for seed in range(12)]

    def noise(**params: object) -> float:
        item = session(**params)
        shown = torch.stack([luma(show(light, item, planes)) for planes in frames])[6:]
        return float(shown.std(0).mean())

    assert noise() < 0.7 * noise(noise_reduction=0.0)


def test_what_moves_leaves_no_ghost(light: Light) -> None:
    still, item = dimmed(np.full((240, 320, 3), 150, np.uint8), 3), session(noise_reduction=1.0)
    for number in range(6):
        frame = dimmed(np.full((240, 320, 3), 150, np.uint8), 3, seed=number)
        frame[100:140, 40 + 30 * number : 80 + 30 * number] = 120
        after = luma(show(light, item, packed(frame)))
    clean = luma(show(light, session(noise_reduction=1.0), packed(still)))
    assert (after[105:135, 165:185] - clean[105:135, 165:185]).mean().abs() < 3


def test_brightness_does_not_pump_when_a_hand_covers_the_lens_for_a_moment(light: Light) -> None:
    planes, item = packed(dimmed(read_astronaut(SIZE), 2)), session()
    levels = [float(luma(show(light, item, planes)).mean()) for _ in range(5)]
    show(light, item, packed(np.zeros((240, 320, 3), np.uint8)))
    levels += [float(luma(show(light, item, planes)).mean()) for _ in range(20)]
    assert max(levels) - min(levels) < 3


def test_colours_keep_their_hue(light: Light) -> None:
    photograph = read_astronaut(SIZE)
    shown = show(light, session(), packed(dimmed(photograph, 3)))
    rgb = cv2.cvtColor(shown[0].numpy(), cv2.COLOR_YUV2RGB_I420).astype(float)
    suit = rgb[200:230, 60:110].reshape(-1, 3).mean(0)
    assert suit[0] > 1.4 * suit[1] > 1.4 * suit[2]


@pytest.mark.parametrize("size", [(2, 2), (16, 8), (240, 320), (34, 1280)])
@pytest.mark.parametrize("level", [0, 16, 235, 255])
def test_even_pictures_of_any_size_pass(light: Light, size: tuple[int, int], level: int) -> None:
    height, width = size
    planes = torch.full((1, height * 3 // 2, width), 128, dtype=torch.uint8)
    planes[:, :height] = level
    item = session()
    for _ in range(2):
        shown = show(light, item, planes)
        if level in (0, 235, 255):
            assert (shown[:, :height].int() - level).abs().max() <= (2 if level else 0)


def test_forty_faces_raise_nothing(light: Light) -> None:
    left, top, right, bottom = FACES["astronaut"]
    face = cv2.resize(read_astronaut((512, 512))[top:bottom, left:right], (40, 48))
    crowd = dimmed(np.tile(face, (5, 8, 1)), 2)
    assert luma(show(light, session(), packed(crowd))).mean() > luma(packed(crowd)).mean()


def test_the_size_may_change_in_the_middle_of_a_call(light: Light) -> None:
    item = session()
    show(light, item, packed(dimmed(read_astronaut(SIZE), 3)))
    # The worker gives a new state then.
    item.state = {}
    show(light, item, packed(dimmed(read_astronaut((160, 120)), 3)))


def test_sessions_of_a_batch_have_what_each_has_alone(light: Light) -> None:
    frames = [packed(dimmed(made(), stops)) for made, stops in zip(PHOTOGRAPHS.values(), (3, 0), strict=True)]
    wishes: tuple[dict[str, Any], ...] = ({"strength": 1.0}, {"noise_reduction": 0.2})
    together, alone = ([session(**wish) for wish in wishes] for _ in range(2))
    for _ in range(3):
        both = light.apply(torch.cat(frames), together)
        for number, item in enumerate(alone):
            together[number].sequence += 1
            single = show(light, item, frames[number])
            assert (single[0].int() - both[number].int()).abs().max() <= 2


def test_after_half_a_second_without_frames_nothing_of_the_past_is_used(light: Light) -> None:
    planes, item = packed(dimmed(read_astronaut(SIZE), 3)), session()
    show(light, item, packed(read_astronaut(SIZE)))
    item.sequence += 40
    assert torch.equal(show(light, item, planes), show(light, session(), planes))


def test_parameters_are_checked() -> None:
    for wrong in ({"strength": 2}, {"most_stops": 0}, {"noise_reduction": -1}, {"other": 1}):
        with pytest.raises(ValidationError):
            Light.Params.model_validate(wrong)
    assert not Light.is_private
