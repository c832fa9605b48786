"""torchvision's networks with random weights, from a file and through the filters' own loading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

from harness.recomputed import Recorder
from inference_service.errors import NotFinite, WeightsError
from inference_service.filters.base import Item
from inference_service.filters.segmentation import Segmentation
from inference_service.filters.vision.networks.graphs import Unrecorded
from inference_service.filters.vision.networks.segmenter import (
    CLASSES,
    WEIGHTS,
    NetworkName,
    Segmenter,
    build,
    input_size,
    reduced,
)

pytestmark = pytest.mark.models

NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)
CPU = torch.device("cpu")
SIDE = 96


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a file for each network, with weights whose output differs from place to place."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    found: dict[str, Path] = {}
    for name in NETWORKS:
        model = build(name)
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
                layer.running_var.uniform_(0.2, 0.6)  # type: ignore[union-attr]
        torch.save(model.state_dict(), folder / f"{name}.pth")
        found[name] = folder / f"{name}.pth"
    return found


def pictures(count: int) -> torch.Tensor:
    """Return (N, 3, 96, 128) uint8: blobs of colour, each picture with its own."""
    coarse = torch.rand((count, 3, 6, 8), generator=torch.Generator().manual_seed(5)) * 255
    return nn.functional.interpolate(coarse, (96, 128), mode="bilinear").to(torch.uint8)


def loaded(path: Path, network: NetworkName = NETWORKS[0]) -> Segmentation:
    one = Segmentation()
    one.settings = Segmentation.Settings.model_validate(
        {"weights": path, "network": network, "short_side": SIDE}
    )
    one.load(CPU)
    return one


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_network_says_what_torchvisions_own_does(name: NetworkName, files: dict[str, Path]) -> None:
    model = build(name)
    model.load_state_dict(torch.load(files[name], weights_only=True))
    seen = reduced(pictures(2), SIDE, torch.float32)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (seen.float() / 255 - mean[:, None, None]) / deviation[:, None, None]
    with torch.inference_mode():
        expected = model(normal)["out"]
        found = Segmenter.load(name, files[name], CPU, SIDE, torch.float32).logits(seen)
        found = nn.functional.interpolate(found, expected.shape[-2:], mode="bilinear", align_corners=False)
    assert expected.shape[1] == CLASSES
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_what_is_recorded_says_the_same(files: dict[str, Path]) -> None:
    network = Segmenter.load(NETWORKS[0], files[NETWORKS[0]], CPU, SIDE, torch.float32)
    seen = pictures(2)
    expected = network.logits(network.reduced(seen).float())
    recorder: Any = Recorder(CPU)
    unrecorded = Unrecorded(CPU)
    # Both sizes are one to the network.
    for size in ((96, 128), (192, 256)):
        for piece in network.pieces(size, 2, recorder, unrecorded):
            piece()
    assert recorder.counts == [2, 1]
    torch.testing.assert_close(network.logits(network.reduced(seen).float()), expected)
    assert [one.replays for one in network._replays._made.values()] == [1, 0]  # type: ignore[attr-defined]


def test_batched_equals_single(files: dict[str, Path]) -> None:
    one = loaded(files[NETWORKS[0]])
    together, alone = ([Item(bytes([n] * 16), 0, Segmentation.Params()) for n in range(3)] for _ in range(2))
    for frame in range(2):
        batch = pictures(3).roll(8 * frame, dims=3)
        for item in (*together, *alone):
            item.sequence = frame
        at_once = one.apply(batch.clone(), together)
        singly = torch.cat([one.apply(batch[n : n + 1].clone(), alone[n : n + 1]) for n in range(3)])
        assert at_once.shape == batch.shape
        assert at_once.dtype == torch.uint8
        torch.testing.assert_close(at_once.float(), singly.float(), atol=1, rtol=0)


@pytest.mark.parametrize("size", [(64, 64), (90, 160), (200, 64)])
def test_pictures_of_any_shape_are_taken(size: tuple[int, int], files: dict[str, Path]) -> None:
    batch = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
    shown = loaded(files[NETWORKS[0]]).apply(batch, [Item(bytes(16), 0, Segmentation.Params())])
    assert shown.shape == batch.shape


def test_other_network_is_one_setting(files: dict[str, Path]) -> None:
    one = loaded(files[NETWORKS[1]], NETWORKS[1])
    shown = one.apply(pictures(1), [Item(bytes(16), 0, Segmentation.Params())])
    assert shown.shape == (1, 3, 96, 128)


def test_weights_of_the_other_network_are_refused(files: dict[str, Path]) -> None:
    with pytest.raises(WeightsError, match="made for another model than this LRASPP: it lacks"):
        loaded(files[NETWORKS[1]], NETWORKS[0])


def test_weights_that_make_no_numbers_are_refused_by_the_layers_name(
    files: dict[str, Path], tmp_path: Path
) -> None:
    state = torch.load(files[NETWORKS[0]], weights_only=True)
    state["classifier.high_classifier.bias"][3] = float("nan")
    torch.save(state, tmp_path / "spoiled.pth")
    with pytest.raises(NotFinite, match=r"classifier\.high_classifier\.bias"):
        loaded(tmp_path / "spoiled.pth")


def test_downloaded_weights_are_those_of_torchvisions_zoo() -> None:
    from torchvision.models import get_model_weights

    one = Segmentation()
    assert one.needed_weights() == (WEIGHTS[NETWORKS[0]],)
    one.settings = Segmentation.Settings.model_validate({"network": NETWORKS[1]})
    assert one.needed_weights() == (WEIGHTS[NETWORKS[1]],)
    for name, file in WEIGHTS.items():
        assert file.url == get_model_weights(name)["DEFAULT"].url
        assert file.name == file.url.rpartition("/")[2]
        assert file.sum_prefix is not None
        assert file.sum_prefix.removeprefix("sha256:") in file.name


def test_input_keeps_the_pictures_shape_up_to_a_limit() -> None:
    assert input_size(480, 640, 256) == (256, 336)
    assert input_size(1280, 720, 256) == (448, 256)
    assert input_size(64, 2048, 256) == (256, 1024)
