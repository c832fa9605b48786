from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from harness import counting
from inference_service.filters.vision.networks import fusing, rcnn, rcnn_models
from inference_service.filters.vision.networks.fusing import REFUSED, ConvRelu, fuse


class Cudnn:
    """In place of cuDNN's fused calls: on a CPU, counted, and refusing what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.error: Exception | None = None
        monkeypatch.setattr(fusing, "can_fuse", lambda value: True)
        monkeypatch.setattr(torch, "cudnn_convolution_relu", self.relu)
        monkeypatch.setattr(torch, "cudnn_convolution_add_relu", self.add_relu)

    def relu(
        self,
        value: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> Tensor:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return nnf.conv2d(value, weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups).relu()

    def add_relu(
        self,
        value: Tensor,
        weight: Tensor,
        plus: Tensor,
        alpha: float,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> Tensor:
        self.calls += 1
        if self.error is not None:
            raise self.error
        made = nnf.conv2d(value, weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups)
        return (made + alpha * plus).relu()


@pytest.fixture
def cudnn(monkeypatch: pytest.MonkeyPatch) -> Cudnn:
    return Cudnn(monkeypatch)


class Layer(nn.Conv2d):
    """As detectron2's: with an activation of its own."""

    activation = staticmethod(nnf.relu)

    def forward(self, value: Tensor) -> Tensor:
        made: Tensor = self.activation(super().forward(value))
        return made


class BottleneckBlock(nn.Module):
    """As detectron2's, norms folded."""

    def __init__(self, has_shortcut: bool) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 2, 3, 2, 1), nn.Conv2d(2, 4, 1)
        self.shortcut = nn.Conv2d(4, 4, 1, 2) if has_shortcut else None
        if not has_shortcut:
            self.conv2 = nn.Conv2d(2, 2, 3, 1, 1)

    def forward(self, value: Tensor) -> Tensor:
        made = self.conv3(self.conv2(self.conv1(value).relu()).relu())
        summed: Tensor = made + (value if self.shortcut is None else self.shortcut(value))
        return summed.relu()


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.Identity(),
        nn.ReLU(),
        nn.Sequential(BottleneckBlock(True), BottleneckBlock(False)),
        Layer(4, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.ReLU(),
        nn.Conv2d(4, 2, 1),
    ).requires_grad_(False)


PICTURES = torch.randn(2, 3, 16, 20, generator=torch.Generator().manual_seed(1))


def test_what_is_fused_computes_the_same_in_one_call_a_layer(cudnn: Cudnn) -> None:
    plain, fused = network(), fuse(network())
    torch.testing.assert_close(fused(PICTURES), plain(PICTURES))
    # The first, six of the blocks, and the layer with an activation; of the depthwise one cuDNN has none.
    assert cudnn.calls == 8


@torch.library.custom_op("p2pcamera_tests::conv_relu", mutates_args=())
def one_call(value: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Stand in for cuDNN's call where launches and bytes are counted: one operator."""
    return nnf.conv2d(value, weight, bias, stride, padding).relu()


@torch.library.custom_op("p2pcamera_tests::conv_add_relu", mutates_args=())
def one_call_with_sum(
    value: Tensor, weight: Tensor, plus: Tensor, bias: Tensor, stride: int, padding: int
) -> Tensor:
    """As `one_call`, with a map that is added."""
    return (nnf.conv2d(value, weight, bias, stride, padding) + plus).relu()


def test_blocks_start_a_third_of_the_kernels_and_move_a_third_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch, "cudnn_convolution_relu", lambda v, w, b, s, p, *_: one_call(v, w, b, s[0], p[0])
    )
    monkeypatch.setattr(
        torch,
        "cudnn_convolution_add_relu",
        lambda v, w, plus, _alpha, b, s, p, *_: one_call_with_sum(v, w, plus, b, s[0], p[0]),
    )
    blocks = fuse(nn.Sequential(*(BottleneckBlock(False) for _ in range(4))).requires_grad_(False))
    value = torch.randn(2, 4, 64, 64)
    with torch.inference_mode():
        before = counting.count(lambda: blocks(value))
        monkeypatch.setattr(fusing, "can_fuse", lambda value: True)
        after = counting.count(lambda: blocks(value))
    # torch's own convolution on a GPU starts another kernel for the bias.
    kernels = before.operators.total() + sum(n for name, n in before.operators.items() if "conv" in name)
    assert (kernels, after.operators.total()) == (4 * 10, 4 * 3)
    assert after.moved_bytes < 0.67 * before.moved_bytes


def test_on_a_cpu_or_for_a_compiler_nothing_is_fused_and_the_same_computed() -> None:
    plain, fused = network(), fuse(network())
    torch.testing.assert_close(fused(PICTURES), plain(PICTURES))
    compiled = torch.compile(fused, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(PICTURES), plain(PICTURES))


def test_a_layer_that_cudnn_refuses_is_computed_as_before_and_not_asked_again(cudnn: Cudnn) -> None:
    cudnn.error = RuntimeError("GET was unable to find an engine to execute this computation")
    plain, fused = network(), fuse(network())
    for _ in range(2):
        torch.testing.assert_close(fused(PICTURES), plain(PICTURES))
    assert cudnn.calls == 8
    assert fusing.refusals(torch.device("cpu"), torch.float32) == [REFUSED]
    cudnn.error = None
    assert fusing.refusals(torch.device("cpu"), torch.float32) == []


def test_a_lack_of_memory_is_no_refusal(cudnn: Cudnn) -> None:
    cudnn.error = torch.cuda.OutOfMemoryError()
    layer = ConvRelu(nn.Conv2d(3, 4, 3))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        layer(PICTURES)
    assert layer.is_fused


@pytest.mark.models
@pytest.mark.parametrize("name", ["keypointrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn"])
def test_torchvisions_networks_are_fused(cudnn: Cudnn, name: str) -> None:
    from torchvision.models import detection

    torch.manual_seed(0)
    backbone = getattr(detection, name)(weights=None, weights_backbone=None).eval().backbone
    rcnn_models._freeze_norms(backbone, 1e-5)
    rcnn.fold_norms(backbone)
    pictures = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = backbone(pictures)
        got = fuse(backbone)(pictures)
    assert cudnn.calls == (49 if "resnet50" in name else 5)
    for one, other in zip(expected.values(), got.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
