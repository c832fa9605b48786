"""The operators of `structure.py` as plain functions that hold their tensors.

    make(step, tensors, may_overwrite) -> function(*inputs) -> result

Values are (N, C, H, W) in channels-last memory, as the networks were made: their depthwise convolutions are
two to four times faster on a CPU so. Work is done in place where nobody needs the old value. Functions and
not modules: a hundred calls of `nn.Module` take longer than the arithmetic of the smaller networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.networks.people.structure import Step

Function = Callable[..., Tensor]
Tensors = Mapping[str, Tensor]
"""Of one step, by `weight`, `bias`, `slope`; on the device and of the precision that it computes with."""


def make(step: Step, tensors: Tensors, may_overwrite: tuple[bool, ...]) -> Function:
    """Return the step as a function of its inputs, activation included.

    `may_overwrite[i]` says that nobody needs the i-th input afterwards. Raises KeyError with the name of a
    tensor that the step lacks.
    """
    function, is_fresh = _MAKERS[step.op](step, tensors, may_overwrite)
    if not step.act:
        return function
    activate = partial(torch.prelu, weight=tensors["slope"]) if step.act == "prelu" else _IN_PLACE[step.act]
    if step.op == "act":
        return activate if is_fresh or step.act == "prelu" else lambda value: activate(value.clone())
    return lambda *values: activate(function(*values))


_IN_PLACE: Mapping[str, Function] = {
    "relu": torch.relu_,
    "relu6": lambda value: value.clamp_(0, 6),
    "hardswish": lambda value: nnf.hardswish(value, inplace=True),
    "sigmoid": torch.sigmoid_,
}
_Made = tuple[Function, bool]
"""A function, and whether its result is a tensor of its own."""


def _conv(step: Step, tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    weight, bias = tensors["weight"], tensors["bias"]
    if weight.shape[2:] == (1, 1) and step.stride == 1 and step.groups == 1:
        # torch has no channels-last convolution for small pictures, and a product of matrices is the same.
        matrix = weight.flatten(1).contiguous()
        return lambda value: nnf.linear(value.permute(0, 2, 3, 1), matrix, bias).permute(0, 3, 1, 2), True
    # torch pads both sides alike. Where one side has more, the kernel gets zeros on the other: copying the
    # picture into a padded one would take as long as the convolution.
    left, right, top, bottom = step.pads
    across, down = max(left, right), max(top, bottom)
    weight = nnf.pad(weight, (across - left, across - right, down - top, down - bottom))
    weight = weight.contiguous(memory_format=torch.channels_last)
    stride, padding, groups = (step.stride, step.stride), (down, across), step.groups
    return lambda value: torch.conv2d(value, weight, bias, stride, padding, (1, 1), groups), True


def _upconv(_step: Step, tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    weight, bias = tensors["weight"], tensors["bias"]
    inputs, outputs = weight.shape[:2]
    # Each pixel becomes 2x2 of its own, so this too is a product of matrices.
    matrix = weight.permute(2, 3, 1, 0).reshape(4 * outputs, inputs).contiguous()
    biases = bias.repeat(4)

    def up(value: Tensor) -> Tensor:
        return _blocks(nnf.linear(value.permute(0, 2, 3, 1), matrix, biases))

    return up, True


def _add(_step: Step, _tensors: Tensors, may_overwrite: tuple[bool, ...]) -> _Made:
    def add(one: Tensor, other: Tensor) -> Tensor:
        if other.shape[1] < one.shape[1]:
            total = one if may_overwrite[0] else one.clone()
            total[:, : other.shape[1]].add_(other)
            return total
        if may_overwrite[0]:
            return one.add_(other)
        return other.add_(one) if may_overwrite[1] else one + other

    return add, True


def _mul(_step: Step, _tensors: Tensors, may_overwrite: tuple[bool, ...]) -> _Made:
    return (torch.Tensor.mul_ if may_overwrite[0] else torch.mul), True


def _mean(_step: Step, _tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    return lambda value: value.mean((2, 3), keepdim=True), True


def _max_pool(_step: Step, _tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    return lambda value: torch.max_pool2d(value, 2), True


def _resize(step: Step, _tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    size = step.size
    return lambda value: nnf.interpolate(value, size, mode="bilinear", align_corners=False), True


def _act(_step: Step, _tensors: Tensors, may_overwrite: tuple[bool, ...]) -> _Made:
    return lambda value: value, may_overwrite[0]


def _depth_to_space(_step: Step, _tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    return lambda value: _blocks(value.permute(0, 2, 3, 1)), True


def _rows(step: Step, _tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    width = step.width
    return lambda value: value.permute(0, 2, 3, 1).reshape(value.shape[0], -1, width), False


def _concat(_step: Step, _tensors: Tensors, _: tuple[bool, ...]) -> _Made:
    return lambda *values: torch.cat(values, 1), True


def _blocks(pixels: Tensor) -> Tensor:
    """Return (N, H, W, 4 C), each 2x2 pixels in the order (row, column, channel), as (N, C, 2 H, 2 W)."""
    n, height, width, channels = pixels.shape
    rows = pixels.reshape(n, height, width, 2, channels // 2).transpose(2, 3)
    return rows.reshape(n, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)


_MAKERS: Mapping[str, Callable[[Step, Tensors, tuple[bool, ...]], _Made]] = {
    "conv": _conv,
    "upconv": _upconv,
    "add": _add,
    "mul": _mul,
    "mean": _mean,
    "max_pool": _max_pool,
    "resize": _resize,
    "act": _act,
    "depth_to_space": _depth_to_space,
    "rows": _rows,
    "concat": _concat,
}
