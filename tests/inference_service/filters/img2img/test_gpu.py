"""What only a GPU can show: recordings, half precision, and that nothing waits for the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.img2img import Img2Img
from inference_service.filters.loading import load

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.models,
]

SIZE = 128
"""Each way: of the pictures and, by the setting `side`, of what the networks see."""


@pytest.fixture(scope="module", params=[False, True], ids=["sd-turbo", "lcm"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    from tests.inference_service.filters.img2img import tiny

    folder = tiny.write(tmp_path_factory.mktemp("model"), is_lcm=request.param)
    return "lcm" if request.param else "sd-turbo", folder


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


@pytest.fixture
def no_waiting() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    yield
    torch.cuda.set_sync_debug_mode(before)


def made(model: tuple[str, Path], device: str = "cuda", **settings: Any) -> Img2Img:
    given = {"model": model[0], "weights": model[1], "side": SIZE, "recorded_sizes": (), **settings}
    one = load(Img2Img, torch.device(device), given, model[1])
    assert isinstance(one, Img2Img)
    return one


def pictures(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(count, 3, 6, 6, generator=generator)
    return (torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear") * 255).to(torch.uint8)


def items(count: int, **params: Any) -> list[Item]:
    wish = {"steadiness": 0.0, "strength": 0.7, "steps": 2, **params}
    texts = ("the red hat", "oil", "at", "red")
    guidance = (1.0, 4.0, 1.0, 6.0)
    return [
        Item(
            bytes([n] * 16),
            0,
            Img2Img.Params(
                prompt=texts[n % 4], guidance=guidance[n % 4], negative_prompt="he", seed=n, **wish
            ),
        )
        for n in range(count)
    ]


@pytest.mark.usefixtures("exact")
def test_single_precision_paints_what_a_cpu_paints(model: tuple[str, Path]) -> None:
    batch = pictures(3)
    on_cpu = made(model, "cpu").apply(batch.clone(), items(3))
    on_gpu = made(model, precision="float32").apply(batch.cuda(), items(3)).cpu()
    assert (on_gpu - on_cpu).abs().max() < 0.5


def test_halves_paint_nearly_the_same(model: tuple[str, Path]) -> None:
    batch = pictures(2)
    single = made(model, precision="float32").apply(batch.cuda(), items(2))
    halves = made(model).apply(batch.cuda(), items(2))
    assert (halves - single).abs().mean() < 2


@pytest.mark.parametrize("count", [1, 3, 4])
def test_recordings_paint_what_is_painted_without(model: tuple[str, Path], count: int) -> None:
    batch = pictures(count)
    eager = made(model, cuda_graphs=False).apply(batch.cuda(), items(count))
    recorded = made(model, recorded_sizes=(f"{SIZE}x{SIZE}",), warm_batch=8)
    assert recorded._painter is not None
    assert recorded._painter._networks._recorded
    for _ in range(2):
        assert (recorded.apply(batch.cuda(), items(count)) - eager).abs().mean() < 1


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("is_recorded", [False, True])
def test_no_frame_waits_for_the_device(model: tuple[str, Path], is_recorded: bool) -> None:
    recorded_sizes = (f"{SIZE}x{SIZE}",) if is_recorded else ()
    one = made(model, recorded_sizes=recorded_sizes)
    wished = items(3, steadiness=0.8, mix=0.5)
    batches = [pictures(3).cuda() for _ in range(3)]
    one.apply(batches[0], wished)
    torch.cuda.set_sync_debug_mode("error")
    for batch in batches[1:]:
        one.apply(batch, wished)
