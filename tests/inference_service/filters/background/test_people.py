"""The whole of `background` with its network, on two photographs of people.

P2PCAMERA_MATTES names a folder of photographs NAME.jpg with mattes NAME_alpha.png, which masks are compared
with; without it those tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as nnf

from harness.network_inputs import FACES, NAMES, photograph
from inference_service.filters.background import Background
from inference_service.filters.base import Filter, Item

CPU = torch.device("cpu")
GREEN = torch.tensor([0, 255, 0], dtype=torch.uint8).view(1, 3, 1, 1)
MATTES = Path(os.environ.get("P2PCAMERA_MATTES", ""))
NOISE = 3.0
ONE_OR_BOTH = [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
"""One photograph in every run: a film of one takes seconds."""


@pytest.fixture(scope="module")
def background() -> Background:
    return loaded()


def loaded(device: torch.device = CPU, **settings: Any) -> Background:
    one = Background()
    one.settings = Background.Settings(**settings)
    one.load(device)
    return one


class Call:
    """One camera, frame after frame."""

    def __init__(self, of: Filter, **params: Any) -> None:
        self._of = of
        self._item = Item(bytes(16), 0, of.Params(**params))

    def show(self, picture: Tensor) -> Tensor:
        shown: Tensor = self._of.apply(picture.clone(), [self._item])
        self._item.sequence += 1
        assert shown.shape == picture.shape
        assert shown.dtype == torch.uint8
        return shown


class Mask:
    """The share of the person, which two rooms tell: shown = share * person + (1 - share) * room."""

    def __init__(self, of: Filter, **params: Any) -> None:
        rooms = ("#000000", "#ffffff")
        self._calls = [Call(of, mode="colour", colour=one, light_wrap=0.0, **params) for one in rooms]

    def of(self, picture: Tensor) -> Tensor:
        """Return (H, W) float32 in 0..1."""
        black, white = (call.show(picture).float() for call in self._calls)
        return 1 - (white - black)[0].mean(0) / 255


def framed(name: str) -> Tensor:
    """Return (1, 3, 480, 512) uint8 of a photograph."""
    return photograph(name)[:, :, :480].contiguous(memory_format=torch.channels_last)


def noisy(picture: Tensor, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    noise = NOISE * torch.randn(picture.shape, generator=random)
    return (picture + noise).round().clamp(0, 255).to(torch.uint8)


def agreement(found: Tensor, matte: Tensor) -> tuple[float, float]:
    """Return mean absolute error, and intersection over union at one half."""
    one, other = found > 0.5, matte > 0.5
    union = float((one | other).sum())
    return float((found - matte).abs().mean()), float((one & other).sum()) / union


@pytest.mark.skipif(not MATTES.name, reason="P2PCAMERA_MATTES names no folder")
@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_mask_is_near_to_the_matte_of_a_large_network(
    background: Background, name: str, is_mirrored: bool
) -> None:
    image_bgr = cv2.imread(str(MATTES / f"{name}.jpg"))
    grey = cv2.imread(str(MATTES / f"{name}_alpha.png"), cv2.IMREAD_GRAYSCALE)
    assert image_bgr is not None
    assert grey is not None
    picture = torch.from_numpy(np.ascontiguousarray(image_bgr[..., ::-1])).permute(2, 0, 1)[None]
    matte = torch.from_numpy(grey) / 255
    if is_mirrored:
        picture, matte = picture.flip(3), matte.flip(1)
    error, overlap = agreement(Mask(background).of(picture), matte)
    assert error < 0.02
    assert overlap > 0.95


@pytest.mark.parametrize("network", ["general", "wide"])
@pytest.mark.parametrize("name", NAMES)
def test_face_stays_as_it_is_and_the_upper_corners_go(name: str, network: str) -> None:
    picture = framed(name)
    shown = Call(loaded(network=network), mode="green").show(picture)
    left, top, right, bottom = FACES[name]
    face = (slice(None), slice(None), slice(top + 60, bottom - 100), slice(left + 70, right - 70))
    assert (shown[face].int() - picture[face].int()).abs().max() <= 3
    for corner in (shown[:, :, :60, :60], shown[:, :, :60, -60:]):
        assert (corner == GREEN).all()


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_as_narrow_as_the_pictures(background: Background, name: str) -> None:
    mask = Mask(background).of(framed(name))
    between = ((mask > 0.1) & (mask < 0.9)).float().mean()
    (rough,) = background._network(framed(name))  # type: ignore[misc]
    rough = nnf.interpolate(rough[None], mask.shape, mode="bilinear")[0, 0]
    assert between < 0.7 * ((rough > 0.1) & (rough < 0.9)).float().mean()


@pytest.mark.parametrize("name", ONE_OR_BOTH)
def test_mask_of_a_still_scene_is_still(background: Background, name: str) -> None:
    mask, picture = Mask(background), framed(name)
    found = torch.stack([mask.of(noisy(picture, seed)) for seed in range(16)])[4:]
    deviation, mean = found.std(0), found.mean(0)
    is_edge = ((mean > 0.05) & (mean < 0.95)).float()
    is_edge = nnf.max_pool2d(is_edge[None], 9, stride=1, padding=4)[0] > 0
    assert deviation[~is_edge].max() <= 0.01
    assert deviation[is_edge].mean() <= 0.006
    assert deviation[is_edge].quantile(0.98) <= 0.03


@pytest.mark.parametrize("steadiness", [0.6, 1.0])
def test_who_enters_is_in_the_mask_at_once_and_who_leaves_is_not(
    background: Background, steadiness: float
) -> None:
    room = framed("astronaut")
    room[:, :, :, 300:] = torch.tensor([150, 150, 160], dtype=torch.uint8).view(1, 3, 1, 1)
    left, top, right, bottom = FACES["hopper"]
    head = nnf.interpolate(
        framed("hopper")[:, :, top:bottom, left:right].float(), (150, 150), mode="bilinear", antialias=True
    )
    entered = room.clone()
    entered[:, :, 200:350, 340:490] = head.round().to(torch.uint8)
    mask = Mask(background, steadiness=steadiness)
    for seed in range(8):
        before = mask.of(noisy(room, seed))
    for seed in (100, 101):
        picture = noisy(entered, seed)
        afresh = Mask(background).of(picture)
        is_new = (afresh > 0.9) & (before < 0.1)
        assert is_new.sum() > 8000
        assert mask.of(picture)[is_new].quantile(0.01) > 0.8
    assert (mask.of(noisy(room, 102)) - before)[is_new].mean() < 0.05


@pytest.mark.parametrize("name", ONE_OR_BOTH)
def test_a_hand_that_enters_is_in_the_mask_within_two_frames(background: Background, name: str) -> None:
    picture = framed(name)
    is_hand, entered = with_hand(picture, FACES[name])
    mask = Mask(background, steadiness=1.0)
    for seed in range(4):
        before = mask.of(noisy(picture, seed))
    found = [mask.of(noisy(entered, seed)) for seed in (100, 101)][-1]
    assert found[is_hand & (before < 0.1)].mean() > 0.9


def with_hand(picture: Tensor, face: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    """Where a drawn hand of the face's skin is, (H, W) bool, and the picture with it, at the lower right."""
    image_rgb = picture[0].permute(1, 2, 0).numpy()
    height, width = image_rgb.shape[:2]
    left, top, right, bottom = face
    x, y, reach = (left + right) // 2, (top + bottom) // 2, (right - left) // 7
    skin = image_rgb[y : y + reach, x - reach : x + reach]
    shape = np.zeros((height, width), np.uint8)
    cv2.rectangle(shape, (402, height - 160), (458, height), 255, -1)
    cv2.ellipse(shape, (430, height - 160), (38, 45), 0, 0, 360, 255, -1)
    for number, x in enumerate((400, 416, 432, 448)):
        cv2.line(shape, (x, height - 170), (x - 4 + 2 * number, height - 220), 255, 13)
    cv2.line(shape, (460, height - 150), (482, height - 185), 255, 14)
    share = cv2.GaussianBlur(shape, (0, 0), 1)[..., None] / 255
    made = image_rgb * (1 - share) + cv2.resize(skin, (width, height)) * share
    entered = torch.from_numpy(made.round().astype(np.uint8)).permute(2, 0, 1)[None]
    return torch.from_numpy(shape > 0), entered.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ONE_OR_BOTH)
def test_moving_person_leaves_no_trail(background: Background, name: str) -> None:
    mask = Mask(background, steadiness=1.0)
    for step in range(8):
        # As a camera that is turned, by 16 pixels a frame.
        window = framed(name)[..., 16 * step : 16 * step + 384]
        found, afresh = mask.of(window), Mask(background).of(window)
        assert ((found - afresh).abs() > 0.2).float().mean() < 0.01


@pytest.mark.parametrize(
    ("size", "mode"),
    [
        ((2, 2), "blur"),
        ((2, 640), "picture"),
        ((96, 2), "green"),
        ((10, 18), "colour"),
        ((240, 320), "picture"),
        ((722, 1282), "blur"),
    ],
)
def test_black_pictures_of_any_size_are_all_background(
    background: Background, size: tuple[int, int], mode: str
) -> None:
    call = Call(background, mode=mode, colour="#204060")
    for _ in range(2):
        shown = call.show(torch.zeros(1, 3, *size, dtype=torch.uint8))
    room = {"blur": (0, 0, 0), "green": (0, 255, 0)}.get(mode, (0x20, 0x40, 0x60))
    assert (shown == torch.tensor(room, dtype=torch.uint8).view(1, 3, 1, 1)).all()


def test_room_without_anybody_is_covered_whole(background: Background) -> None:
    # The wall and the model of a shuttle beside the astronaut's head; of that a spot stays half seen.
    room = framed("astronaut")[:, :, :160, 300:]
    room = nnf.interpolate(room.float(), (480, 640), mode="bilinear").to(torch.uint8)
    shown = Call(background, mode="green").show(room)
    assert (shown == GREEN).all(1).float().mean() > 0.95


def batch_of(pictures: Sequence[Tensor]) -> Tensor:
    return torch.cat([one[:, :, :480, :512] for one in pictures]).contiguous(
        memory_format=torch.channels_last
    )


def test_batch_is_its_pictures_one_by_one(background: Background) -> None:
    wishes: list[dict[str, Any]] = [{}, {"mode": "green"}, {"blur": 1.0}, {"mode": "colour", "margin": 0.4}]
    together, alone = (
        [Item(bytes([n] * 16), 0, Background.Params(**one)) for n, one in enumerate(wishes)] for _ in range(2)
    )
    for frame in range(2):
        batch = batch_of([noisy(photograph(NAMES[n % 2]), 4 * frame + n) for n in range(4)])
        for item in (*together, *alone):
            item.sequence = frame
        at_once = background.apply(batch.clone(), together)
        singly = torch.cat([background.apply(batch[n : n + 1].clone(), alone[n : n + 1]) for n in range(4)])
        torch.testing.assert_close(at_once.float(), singly.float(), atol=2, rtol=0)


def test_nothing_has_to_be_downloaded() -> None:
    assert Background().needed_weights() == ()
    assert Background.weights == ()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("mode", ["blur", "colour", "green"])
def test_gpu_shows_what_the_cpu_shows(background: Background, mode: str) -> None:
    device = torch.device("cuda")
    on_gpu = loaded(device, precision="float32")
    here, there = ([Item(bytes(16), 0, Background.Params(mode=mode))] for _ in range(2))
    for frame in range(3):
        picture = noisy(framed("astronaut"), frame)
        here[0].sequence = there[0].sequence = frame
        expected = background.apply(picture.clone(), here).float()
        found = on_gpu.apply(picture.to(device), there).cpu().float()
        assert (found - expected).abs().mean() < 0.2
        assert (found - expected).abs().max() < 12
