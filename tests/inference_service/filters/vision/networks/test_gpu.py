"""What only a GPU can show of networks: cuDNN's fused calls, and recordings beside running batches."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inference_service.filters import loading
from inference_service.filters.installed import installed
from inference_service.filters.vision.networks import fusing
from inference_service.filters.vision.networks.fusing import ConvRelu
from inference_service.filters.vision.networks.graphs import Recorder
from inference_service.filters.vision.networks.people import recorded
from inference_service.filters.vision.networks.people.network import Network

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize("dtype", fusing.SIXTEEN_BITS)
def test_cudnn_fuses_what_torch_computes_one_after_the_other(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fusing.refusals(CUDA, dtype) == []
    torch.manual_seed(0)
    for inputs, outputs, side, stride in ((3, 64, 7, 2), (64, 64, 3, 1), (256, 512, 1, 1)):
        conv = nn.Conv2d(inputs, outputs, side, stride, side // 2).requires_grad_(False)
        layer = ConvRelu(conv.to(CUDA, dtype).to(memory_format=torch.channels_last))
        value = torch.randn(4, inputs, 56, 56, device=CUDA, dtype=dtype).to(memory_format=torch.channels_last)
        plain = layer.conv(value)
        # torch gives cuDNN the memory of the result to add, times 0: what lay there must not be seen.
        spoiled = torch.full_like(plain, torch.nan)
        del spoiled
        fused = layer(value)
        plus = torch.randn_like(fused)
        spoiled = torch.full_like(plain, torch.nan)
        del spoiled
        summed = layer(value, plus)
        assert layer.is_fused
        with monkeypatch.context() as patch:
            patch.setattr(fusing, "can_fuse", lambda value: False)
            torch.testing.assert_close(fused, layer(value), rtol=0.02, atol=0.05)
            torch.testing.assert_close(summed, layer(value, plus), rtol=0.02, atol=0.05)


@torch.inference_mode()
def test_a_recorded_product_outlives_other_recordings_and_writes_where_nobody_else_is() -> None:
    # So long a sum is split, and its parts lie in cuBLAS's workspace.
    weight = torch.randn(12544, 64, device=CUDA, dtype=torch.float16) / 100

    def product(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (rows @ weight,)

    def made() -> Any:
        return Recorder(CUDA).record(product, (torch.randn(8, 12544, device=CUDA, dtype=torch.float16),))

    kept, other = made(), made()
    expected = product(*kept.inputs)[0].clone()
    del other
    torch.cuda.empty_cache()
    marks = [torch.full((1 << 20,), 7, dtype=torch.uint8, device=CUDA) for _ in range(128)]
    stream = torch.cuda.Stream(CUDA)
    stream.wait_stream(torch.cuda.current_stream(CUDA))
    with torch.cuda.stream(stream):
        for _ in range(20):
            kept.replay()
    torch.cuda.synchronize(CUDA)
    torch.testing.assert_close(kept.result[0], expected, rtol=0.02, atol=0.02)
    assert all(bool((mark == 7).all()) for mark in marks)


@pytest.mark.parametrize("name", ["background", "face", "pose"])
def test_networks_say_the_same_recorded_while_they_are_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(recorded, "MOST_ROWS", 8)
    made: Any = loading.load(installed()[name].load(), CUDA, {}, tmp_path)
    networks = [one for one in made.recordables if isinstance(one, Network)]
    rows = [torch.rand(5, *network.input, device=CUDA) for network in networks]

    def asked() -> list[torch.Tensor]:
        return [one.float() for network, row in zip(networks, rows, strict=True) for one in network(row)]

    expected = asked()
    stream, wrong, stop = torch.cuda.Stream(CUDA), list[int](), threading.Event()

    def loop() -> None:
        with torch.cuda.device(CUDA), torch.cuda.stream(stream):
            while not stop.is_set():
                with recorded_turn():
                    got = asked()
                wrong.extend(
                    number
                    for number, (one, other) in enumerate(zip(got, expected, strict=True))
                    if not torch.allclose(one, other, rtol=0.05, atol=0.05)
                )

    asking = threading.Thread(target=loop)
    asking.start()
    for piece in made.recordings():
        piece()
    stop.set()
    asking.join()
    assert made.fallbacks == []
    assert not wrong
    for one, other in zip(asked(), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)


def recorded_turn() -> Any:
    """Return the loop's turn: nothing is captured meanwhile."""
    from inference_service.device.captures import TURNS

    return TURNS.taken()
