"""`face` with its real networks on photographs whose faces' places are known: no eye, nose or mouth is seen.

Each photograph has noise of its own in each channel, so a pixel that is still the camera's is told from one
that merely looks alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from harness.network_inputs import photograph
from inference_service.filters.base import Item
from inference_service.filters.face import Face

Picture = npt.NDArray[np.uint8]
SIZE = (640, 480)
FEATURES = {"astronaut": (187, 86, 265, 155), "hopper": (184, 158, 344, 290)}
"""From the brows to the lips: left, top, right, bottom in the photograph."""
MOST_SEEN = 0.03
"""Share of those pixels that may be the camera's: noise that is equal by chance."""
NOISE = 14


@dataclass(frozen=True)
class Frame:
    """A camera's picture, and where in it eyes, noses and mouths are."""

    picture: Picture
    is_feature: npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def face() -> Face:
    one = Face()
    one.load(torch.device("cpu"))
    return one


def placed(
    name: str, width: float, turn: float = 0.0, at: tuple[float, float] = (0.5, 0.5), room: int = 140
) -> Frame:
    """A photograph; its face's features are `width` of the picture wide, turned, their middle `at`."""
    photo = photograph(name)[0].permute(1, 2, 0).numpy()
    noise = np.random.default_rng(1).integers(-NOISE, NOISE + 1, photo.shape)
    photo = np.clip(photo.astype(int) + noise, 0, 255).astype(np.uint8)
    left, top, right, bottom = FEATURES[name]
    scale = width * SIZE[0] / (right - left)
    middle = ((left + right) / 2, (top + bottom) / 2)
    matrix = cv2.getRotationMatrix2D(middle, -turn, scale)
    matrix[:, 2] = matrix[:, 2] + np.array(at) * SIZE - middle
    features = np.zeros(photo.shape[:2], np.uint8)
    features[top:bottom, left:right] = 255
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.warpAffine(
        photo, matrix, SIZE, flags=way, borderMode=cv2.BORDER_CONSTANT, borderValue=[room] * 3
    )
    is_feature = cv2.warpAffine(features, matrix, SIZE, flags=cv2.INTER_NEAREST) > 0
    return Frame(np.asarray(picture, np.uint8), is_feature)


def lit(frame: Frame, share: float) -> Frame:
    """The same in less light, with a camera's noise on top, since dark pixels are equal by chance."""
    noise = np.random.default_rng(2).integers(0, 8, frame.picture.shape)
    return Frame((frame.picture * share + noise).clip(0, 255).astype(np.uint8), frame.is_feature)


def occluded(frame: Frame, left: int, width: int) -> Frame:
    """The same behind an upright bar; what the bar hides is no feature."""
    picture, is_feature = frame.picture.copy(), frame.is_feature.copy()
    picture[:, left : left + width] = (40, 90, 60)
    is_feature[:, left : left + width] = False
    return Frame(picture, is_feature)


def beside(one: Frame, other: Frame) -> Frame:
    """The left half of one and the right half of the other."""
    half = SIZE[0] // 2
    picture, is_feature = one.picture.copy(), one.is_feature.copy()
    picture[:, half:], is_feature[:, half:] = other.picture[:, half:], other.is_feature[:, half:]
    return Frame(picture, is_feature)


def seen_share(frame: Frame, shown: Picture) -> float:
    """How much of eyes, nose and mouth is still the camera's."""
    is_raw = np.abs(frame.picture.astype(int) - shown).max(-1) == 0
    return float(is_raw[frame.is_feature].mean()) if frame.is_feature.any() else 0.0


NAMES = tuple(FEATURES)
SEQUENCES: dict[str, Callable[[str], list[Frame]]] = {
    "shrinking": lambda name: [placed(name, width) for width in np.geomspace(0.35, 0.045, 11)],
    "small from the start": lambda name: [placed(name, 0.05)] * 11,
    "large from the start": lambda name: [placed(name, 0.45, at=(0.5, 0.55))] * 11,
    "turning": lambda name: [placed(name, 0.18, turn) for turn in np.linspace(0, 60, 11)],
    "turned from the start": lambda name: [placed(name, 0.18, -60)] * 11,
    "darkening": lambda name: [lit(placed(name, 0.2), share) for share in np.geomspace(1, 0.03, 11)],
    "dark from the start": lambda name: [lit(placed(name, 0.2), 0.08)] * 11,
    "a bar passes": lambda name: [occluded(placed(name, 0.2), left, 90) for left in range(150, 420, 25)],
    "half hidden from the start": lambda name: [occluded(placed(name, 0.2), 320, 320)] * 11,
    "leaving": lambda name: [placed(name, 0.2, at=(x, 0.5)) for x in np.linspace(0.5, 0, 11)],
    "half out from the start": lambda name: [placed(name, 0.2, at=(0.0, 0.5))] * 11,
    "fading in": lambda name: [
        lit(placed(name, 0.2), share) for share in [0] * 9 + list(np.linspace(0.02, 0.6, 8))
    ],
    "entering": lambda name: (
        [placed(name, 0.2, at=(-1.5, 0.5))] * 9
        + [placed(name, 0.2, at=(x, 0.5)) for x in np.linspace(-0.2, 0.4, 7)]
    ),
    "two": lambda name: (
        [beside(placed(name, 0.12, at=(0.25, 0.4)), placed("hopper", 0.12, at=(0.75, 0.5)))] * 11
    ),
}
LONG = (
    "shrinking",
    "turned from the start",
    "darkening",
    "a bar passes",
    "half hidden from the start",
    "leaving",
    "fading in",
    "entering",
)
"""Those that need many looks, 9 to 14 s each on a busy core: `make test-all` runs them."""
STEP = 2
"""A camera of 15 frames a second: eleven frames go on for longer than a new state covers everything."""


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=pytest.mark.slow if what in LONG else ()) for what in SEQUENCES]
)
def test_no_frame_shows_eye_nose_or_mouth(face: Face, what: str) -> None:
    films = [SEQUENCES[what](name) for name in FEATURES]
    states: list[dict[str, Any]] = [{} for _ in films]
    for number, frames in enumerate(zip(*films, strict=True)):
        batch = torch.from_numpy(np.stack([frame.picture for frame in frames])).permute(0, 3, 1, 2)
        items = [Item(bytes(16), number * STEP, Face.Params(), state) for state in states]
        shown = face.apply(batch.clone(), items).permute(0, 2, 3, 1).numpy()
        seen = [seen_share(*pair) for pair in zip(frames, shown, strict=True)]
        assert max(seen) < MOST_SEEN, (number, dict(zip(FEATURES, seen, strict=True)))
