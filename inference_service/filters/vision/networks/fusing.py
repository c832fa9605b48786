"""Convolution, bias, sum and ReLU by one call of cuDNN, for networks in 16 bits on a GPU, without a compiler.

torch starts a kernel for each of them, and each reads and writes the whole map. For networks of few
operations a byte that takes as long as the convolutions themselves. Anywhere else, and where cuDNN refuses,
the same is computed as torch does it.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from inference_service.device.memory import is_shortage
from inference_service.filters.base import Fallback

logger = logging.getLogger(__name__)

REFUSED = Fallback("fusing", "runs without fused convolutions, since cuDNN refuses them")
SIXTEEN_BITS = (torch.float16, torch.bfloat16)


class ConvRelu(nn.Module):
    """A convolution with its bias, and ReLU; between them a map may be added."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert isinstance(conv.padding, tuple)
        self.conv = conv
        self.is_fused = conv.groups == 1 and conv.padding_mode == "zeros"
        self._how = (conv.stride, conv.padding, conv.dilation, conv.groups)

    def forward(self, value: Tensor, plus: Tensor | None = None) -> Tensor:
        """Return ReLU(convolution + bias + `plus`), in memory of its own."""
        if self.is_fused and can_fuse(value):
            weight, bias = self.conv.weight, self.conv.bias
            try:
                if plus is None:
                    return torch.cudnn_convolution_relu(value, weight, bias, *self._how)
                return torch.cudnn_convolution_add_relu(value, weight, plus, 1.0, bias, *self._how)
            except RuntimeError as exc:
                if is_shortage(exc):
                    raise
                # For this layer alone: others may have shapes that it takes.
                self.is_fused = False
                logger.info("cuDNN does not fuse a layer of %s: %s", tuple(weight.shape), exc)
        made = nnf.conv2d(value, self.conv.weight, self.conv.bias, *self._how)
        return (made if plus is None else made.add_(plus)).relu_()


class Bottleneck(nn.Module):
    """A residual block of three convolutions, as detectron2 and torchvision have it, norms folded."""

    def __init__(self, block: Any, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = map(ConvRelu, (block.conv1, block.conv2, block.conv3))
        self.shortcut = shortcut

    def forward(self, value: Tensor) -> Tensor:
        around = value if self.shortcut is None else self.shortcut(value)
        made: Tensor = self.conv3(self.conv2(self.conv1(value)), around)
        return made


class Stem(nn.Module):
    """The first convolution of detectron2's ResNet, and its pooling."""

    def __init__(self, stem: Any) -> None:
        super().__init__()
        self.conv1 = ConvRelu(stem.conv1)

    def forward(self, value: Tensor) -> Tensor:
        return nnf.max_pool2d(self.conv1(value), kernel_size=3, stride=2, padding=1)


class Stack(nn.Sequential):
    """Convolutions with ReLU, one after the other: DensePose's head."""

    def __init__(self, head: Any) -> None:
        layers = [getattr(head, f"body_conv_fcn{number + 1}") for number in range(head.n_stacked_convs)]
        super().__init__(*map(ConvRelu, layers))


def can_fuse(value: Tensor) -> bool:
    """Tell whether cuDNN takes a map, and nobody looks on: compilers fuse by themselves."""
    return value.is_cuda and value.dtype in SIXTEEN_BITS and not torch.compiler.is_compiling()


def fuse(model: nn.Module) -> nn.Module:
    """Put fused layers in place of those that can be, and return the model; its norms are folded already."""
    made = _fused(model)
    if made is not model:
        return made
    if _calls_in_turn(model):
        _join(model)
    for name, child in model.named_children():
        model._modules[name] = fuse(child)
    return model


def refusals(device: torch.device, dtype: torch.dtype) -> list[Fallback]:
    """Return what to say where this GPU's cuDNN fuses nothing; tries it, and waits for the device."""
    value = torch.zeros(1, 32, 8, 8, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    if not can_fuse(value):
        return []
    conv = nn.Conv2d(32, 32, 3, padding=1).requires_grad_(False).to(device, dtype)
    layer = ConvRelu(conv.to(memory_format=torch.channels_last))
    layer(layer(value), value)
    return [] if layer.is_fused else [REFUSED]


def _fused(module: nn.Module) -> nn.Module:
    """Return what a module becomes as a whole; the module itself where that is nothing else."""
    known: Any = module
    kind = type(module).__name__
    if any(_is_norm(getattr(module, name, None)) for name in ("norm", "bn1")):
        return module
    if kind == "BottleneckBlock":
        return Bottleneck(module, known.shortcut)
    if kind == "Bottleneck" and hasattr(module, "downsample"):
        return Bottleneck(module, known.downsample)
    if kind == "BasicStem":
        return Stem(module)
    if kind == "DensePoseV1ConvXHead":
        return Stack(module)
    if isinstance(module, nn.Conv2d) and _is_relu(getattr(module, "activation", None)):
        # detectron2's: its own `forward` goes on with norm and activation.
        return ConvRelu(module)
    return module


def _join(sequence: nn.Module) -> None:
    """Join each convolution with the ReLU that comes next, identities aside."""
    names = [name for name, child in sequence.named_children() if not isinstance(child, nn.Identity)]
    for name, after in pairwise(names):
        one, other = sequence._modules[name], sequence._modules[after]
        if type(one) is nn.Conv2d and isinstance(other, nn.ReLU):
            sequence._modules[name], sequence._modules[after] = ConvRelu(one), nn.Identity()


def _calls_in_turn(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) or type(module).__name__ == "IntermediateLayerGetter"


def _is_norm(module: object) -> bool:
    """Tell whether a norm was left that is not folded."""
    return module is not None and not isinstance(module, nn.Identity)


def _is_relu(activation: object) -> bool:
    return activation in (nnf.relu, nnf.relu_, torch.relu) or isinstance(activation, nn.ReLU)
