"""The ink filter: does it draw, is it calm, and are its weights what the script makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from harness.photograph import GRACE_HOPPER, read_astronaut
from inference_service.filters.base import Item
from inference_service.filters.ink import WEIGHTS, Ink
from inference_service.filters.ink.network import InkNetwork, WeightsError, from_blocks
from inference_service.filters.ink.pictures import draw_picture
from inference_service.filters.ink.teacher import stylise
from inference_service.filters.ink.train import TrainingSettings, train
from inference_service.filters.vision import levels

Draw = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]
NOISE_SIGMA = 3.0
LEAST_PSNR_DB = 25.5
LEAST_CHANGE = 15.0
"""Mean change of the picture, in levels. At 10 people asked whether the filter was on."""


def image_batch(*pictures_rgb: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Return (H, W, 3) pictures as the worker hands them over: (N, 3, H, W), channels-last."""
    return torch.from_numpy(np.stack(pictures_rgb)).permute(0, 3, 1, 2)


def items(count: int, **params: float) -> list[Item]:
    return [Item(bytes([i]) * 16, i, Ink.Params(**params)) for i in range(count)]


def psnr_db(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def assert_draws_calmly(draw: Draw, photo: npt.NDArray[np.uint8]) -> None:
    """A still scene before a noisy sensor: clearly changed, and no more restless than the camera."""
    rng = np.random.default_rng(7)
    frames = [photo + rng.normal(0, NOISE_SIGMA, photo.shape) for _ in range(8)]
    noisy = np.stack([np.clip(np.round(frame), 0, 255).astype(np.uint8) for frame in frames])
    drawn = np.stack([draw(frame) for frame in noisy])
    assert drawn.std(axis=0).mean() <= noisy.std(axis=0).mean()
    assert np.abs(drawn.mean(axis=0) - photo).mean() >= LEAST_CHANGE


@pytest.fixture(scope="module")
def ink() -> Ink:
    ink = Ink()
    ink.load(torch.device("cpu"))
    return ink


@pytest.fixture(scope="module")
def draw(ink: Ink) -> Draw:
    return lambda picture: ink.apply(image_batch(picture), items(1))[0].permute(1, 2, 0).numpy()


@pytest.fixture(scope="module")
def photo() -> npt.NDArray[np.uint8]:
    """A person, photographed, 640x480; nothing of it is in the training material."""
    whole_bgr = np.asarray(cv2.imread(str(GRACE_HOPPER)), np.uint8)
    larger_bgr = cv2.resize(whole_bgr, (640, 750), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.asarray(larger_bgr, np.uint8)[40:520, :, ::-1])


def test_a_photograph_is_drawn_as_the_teacher_would(draw: Draw, photo: npt.NDArray[np.uint8]) -> None:
    wanted = stylise(photo)
    assert psnr_db(draw(photo), wanted) >= LEAST_PSNR_DB
    assert psnr_db(draw(photo), wanted) >= psnr_db(photo, wanted) + 5


def test_a_still_scene_is_changed_and_no_more_restless(draw: Draw, photo: npt.NDArray[np.uint8]) -> None:
    assert_draws_calmly(draw, photo)


def test_a_small_picture_is_changed_as_plainly(draw: Draw, photo: npt.NDArray[np.uint8]) -> None:
    small = np.ascontiguousarray(cv2.resize(photo, (320, 240), interpolation=cv2.INTER_AREA), np.uint8)
    drawn = draw(small)
    assert np.abs(drawn.astype(int) - small).mean() >= LEAST_CHANGE
    is_ink = (small.astype(int) - drawn > 60).all(axis=2)
    assert is_ink.mean() > 0.01


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_a_large_picture_has_as_much_ink(draw: Draw, size: tuple[int, int]) -> None:
    small = (size[0] * 480 // size[1] // 2 * 2, 480)
    pictures = (read_astronaut(size), read_astronaut(small))
    share, wanted = (((one.astype(int) - draw(one) > 60).all(axis=2)).mean() for one in pictures)
    assert share > 0.65 * wanted


@pytest.mark.parametrize("size", [(720, 1280), (900, 676)])
def test_large_frames_of_one_batch_may_differ_in_their_parameters(ink: Ink, size: levels.Size) -> None:
    picture = np.random.default_rng(5).integers(0, 256, (*size, 3), dtype=np.uint8)
    looks = [{}, {"strength": 0.0}, {"strength": 0.5, "lines": 0.7}]
    mixed = [Item(bytes(16), i, Ink.Params(**look)) for i, look in enumerate(looks)]
    together = ink.apply(image_batch(*[picture] * 3), mixed)
    for drawn, look in zip(together, looks, strict=True):
        alone = ink.apply(image_batch(picture), items(1, **look))[0]
        assert (drawn.int() - alone.int()).abs().max() <= 1
    assert torch.equal(together[1:2], image_batch(picture))


def test_an_identity_would_fail_the_check(photo: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(AssertionError):
        assert_draws_calmly(lambda picture: picture, photo)


def test_ink_lies_where_the_edges_are(draw: Draw) -> None:
    picture = np.full((64, 64, 3), 90, np.uint8)
    picture[:, 32:] = 210
    drawn = draw(picture).mean(axis=2)
    assert drawn[8:56, 29:32].min() < drawn[8:56, 8:20].min() - 25
    assert drawn[8:56, 8:20].std() < 4


def test_batched_frames_come_out_as_single_ones_do(ink: Ink) -> None:
    rng = np.random.default_rng(5)
    pictures = [draw_picture(rng, 96) for _ in range(5)]
    together = ink.apply(image_batch(*pictures), items(5))
    for picture, drawn in zip(pictures, together, strict=True):
        alone = ink.apply(image_batch(picture), items(1))[0]
        assert (drawn.int() - alone.int()).abs().max() <= 1


def test_frames_of_one_batch_may_differ_in_their_parameters(ink: Ink) -> None:
    picture = draw_picture(np.random.default_rng(5), 96)
    looks = [{}, {"strength": 0.0}, {"lines": 0.0}, {"strength": 0.5, "lines": 0.7}]
    mixed = [Item(bytes(16), i, Ink.Params(**look)) for i, look in enumerate(looks)]
    together = ink.apply(image_batch(*[picture] * 4), mixed)
    for drawn, look in zip(together, looks, strict=True):
        alone = ink.apply(image_batch(picture), items(1, **look))[0]
        assert (drawn.int() - alone.int()).abs().max() <= 1


def test_strength_zero_shows_the_camera(ink: Ink) -> None:
    batch = image_batch(draw_picture(np.random.default_rng(6), 96))
    assert torch.equal(ink.apply(batch, items(1, strength=0.0)), batch)


def test_without_lines_only_what_was_ink_grows_lighter(ink: Ink, photo: npt.NDArray[np.uint8]) -> None:
    inked = ink.apply(image_batch(photo), items(1)).float().mean(dim=1)
    paint = ink.apply(image_batch(photo), items(1, lines=0.0)).float().mean(dim=1)
    lifted = paint - inked
    assert lifted.max() > 80
    assert lifted.median() < 3


@pytest.mark.parametrize("memory", ["height-width-colour", "colour-height-width"])
def test_the_input_is_left_as_it_was(ink: Ink, memory: str) -> None:
    batch = image_batch(draw_picture(np.random.default_rng(8), 96))
    if memory == "colour-height-width":
        batch = batch.contiguous()
    before = batch.clone()
    drawn = ink.apply(batch, items(1))
    assert torch.equal(batch, before)
    assert not torch.equal(drawn, before)


def test_both_memory_layouts_give_the_same_picture(ink: Ink) -> None:
    batch = image_batch(draw_picture(np.random.default_rng(8), 96))
    assert torch.equal(ink.apply(batch, items(1)), ink.apply(batch.contiguous(), items(1)))


@pytest.mark.parametrize(("width", "height"), [(2, 2), (4, 2), (6, 10), (98, 66), (100, 70), (96, 64)])
def test_any_even_size_comes_back_in_its_size(ink: Ink, width: int, height: int) -> None:
    picture = np.ascontiguousarray(draw_picture(np.random.default_rng(9), 100)[:height, :width])
    drawn = ink.apply(image_batch(picture), items(1))
    assert drawn.shape == (1, 3, height, width)
    assert drawn.dtype == torch.uint8


def test_padding_does_not_show(ink: Ink) -> None:
    flat = np.full((70, 98, 3), 140, np.uint8)
    drawn = ink.apply(image_batch(flat), items(1)).int()
    assert (drawn - drawn[..., 35:36, 49:50]).abs().max() < 24


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_blocks_become_pixels_where_they_belong(dtype: torch.dtype) -> None:
    blocks = torch.arange(24.0).reshape(1, 1, 2, 12).permute(0, 3, 1, 2).to(dtype)
    picture = from_blocks(blocks)[0].permute(1, 2, 0)
    assert picture.shape == (2, 4, 3)
    assert picture[0, 1].tolist() == [3, 4, 5]
    assert picture[1, 0].tolist() == [6, 7, 8]
    assert picture[0, 2].tolist() == [12, 13, 14]


def test_a_flat_strong_colour_shows_no_grid(ink: Ink) -> None:
    colours = [
        (200, 0, 0),
        (170, 5, 20),
        (0, 160, 0),
        (0, 0, 180),
        (255, 255, 0),
        (255, 0, 255),
        (230, 190, 160),
    ]
    flat = [np.full((64, 64, 3), colour, np.uint8) for colour in colours]
    items = [Item(session=bytes(16), sequence=0, params=Ink.Params()) for _ in flat]
    drawn = ink.apply(image_batch(*flat), items)[:, :, 16:48, 16:48].int()
    # 67 levels before the training had swatches in it.
    assert (drawn.amax((2, 3)) - drawn.amin((2, 3))).max() <= 12


@pytest.mark.parametrize("params", [{"strength": 1.1}, {"lines": -0.1}, {"colour": 1.0}])
def test_parameters_out_of_range_are_refused(params: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Ink.Params(**params)


def test_the_weights_are_small_and_about_twenty_thousand() -> None:
    assert WEIGHTS.stat().st_size <= 120_000
    assert 15_000 <= sum(value.numel() for value in load_file(WEIGHTS).values()) <= 25_000


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("missing", "near.bias is missing"),
        ("unknown", "far.bias is unknown"),
        ("shape", r"near.bias is \(3,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path, fault: str, said: str) -> None:
    weights = InkNetwork().state_dict()
    match fault:
        case "missing":
            del weights["near.bias"]
        case "unknown":
            weights["far.bias"] = torch.zeros(3)
        case "shape":
            weights["near.bias"] = torch.zeros(3)
    save_file(weights, tmp_path / "ink.safetensors")
    with pytest.raises(WeightsError, match=said):
        Ink(tmp_path / "ink.safetensors").load(torch.device("cpu"))


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_weights_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ink.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot read the weights ink"):
        Ink(path).load(torch.device("cpu"))


def test_the_same_seed_draws_the_same_pictures() -> None:
    first, again, other = (
        [draw_picture(np.random.default_rng([seed, i]), 64) for i in range(12)] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({picture.tobytes() for picture in first}) == 12


def test_training_lowers_the_loss_and_repeats_itself() -> None:
    settings = TrainingSettings(pictures=3, picture_size=64, steps=30, batch=2, crop=32)
    network, losses = train(settings)
    again, repeated = train(settings)
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])
    assert repeated == losses
    assert torch.equal(network.out.weight, again.out.weight)
