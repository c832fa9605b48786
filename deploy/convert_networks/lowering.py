"""TensorFlow Lite's operators as the steps of `networks/people/structure.py`, one by one, NHWC to NCHW."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from deploy.convert_networks.tflite import Graph, Operator
from inference_service.filters.vision.networks.people.structure import Step, Structure

_FUSED = {0: "", 1: "relu", 3: "relu6"}
"""TensorFlow Lite's `ActivationFunctionType`."""
_SAME = 0
"""Its `Padding.SAME`."""
_ACTIVATIONS = {"RELU": "relu", "HARD_SWISH": "hardswish", "LOGISTIC": "sigmoid"}
_ROW_OUTPUTS = 3

Tensors = dict[str, np.ndarray]


class Lowering:
    """Makes the steps of one graph. A PAD makes none: it goes into the convolution or addition behind it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.steps: list[Step] = []
        self.tensors: Tensors = {}
        self._same_as = {graph.input: 0}
        self._pads: dict[int, tuple[int, int, int, int]] = {}

    def run(self, outputs: dict[str, int]) -> tuple[Structure, Tensors]:
        """Return structure and tensors; `outputs` are positions among the graph's outputs by name."""
        for operator in self.graph.operators:
            self._one(operator)
        _, height, width, channels = self.graph.shapes[self.graph.input]
        named = {name: self._value(self.graph.outputs[position]) for name, position in outputs.items()}
        return Structure((channels, height, width), named, tuple(self.steps)), self.tensors

    def _one(self, operator: Operator) -> None:
        lower: dict[str, Callable[[Operator], None]] = {
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._conv,
            "Convolution2DTransposeBias": self._upconv,
            "PAD": self._pad,
            "PRELU": self._prelu,
            "ADD": self._sum,
            "MUL": self._mul,
            "MEAN": lambda entry: self._add("mean", entry),
            "AVERAGE_POOL_2D": self._average,
            "MAX_POOL_2D": self._max_pool,
            "RESIZE_BILINEAR": self._resize,
            "DEPTH_TO_SPACE": self._depth_to_space,
            "RESHAPE": self._reshape,
            "CONCATENATION": lambda entry: self._add("concat", entry),
        }
        if operator.name in _ACTIVATIONS:
            self._add("act", operator, act=_ACTIVATIONS[operator.name])
        elif operator.name in lower:
            lower[operator.name](operator)
        else:
            raise ValueError(f"no step is known for {operator.name}")

    def _value(self, number: int) -> int:
        return self._same_as.get(number, number)

    def _add(self, op: str, operator: Operator, *, fused: bool = False, **given: Any) -> None:
        inputs = tuple(self._value(n) for n in operator.inputs if n not in self.graph.constants)
        if fused:
            given["act"] = _FUSED[operator.options.fusedActivationFunction]
        self.steps.append(Step(op, inputs, operator.output, **given))

    def _conv(self, operator: Operator) -> None:
        options = operator.options
        _require(options.dilationHFactor == options.dilationWFactor == 1, "no dilation")
        _require(options.strideH == options.strideW, "the same stride both ways")
        picture, weight, bias = operator.inputs
        kernel = self.graph.constants[weight]
        groups = 1
        if operator.name == "DEPTHWISE_CONV_2D":
            _require(options.depthMultiplier == 1, "one filter a channel")
            groups = kernel.shape[3]
            kernel = kernel.transpose(3, 0, 1, 2)  # (1, h, w, C) to (C, 1, h, w)
        else:
            kernel = kernel.transpose(0, 3, 1, 2)
        pads = self._pads.get(picture, (0, 0, 0, 0))
        if options.padding == _SAME:
            _require(pads == (0, 0, 0, 0), "no PAD before SAME")
            pads = _same(self.graph.shapes[picture], kernel.shape, options.strideH)
        self.tensors[f"{operator.output}.weight"] = kernel
        self.tensors[f"{operator.output}.bias"] = self.graph.constants[bias]
        self._add("conv", operator, fused=True, stride=options.strideH, pads=pads, groups=groups)

    def _upconv(self, operator: Operator) -> None:
        _, weight, bias = operator.inputs
        kernel = self.graph.constants[weight]  # (out, h, w, in)
        _require(kernel.shape[1:3] == (2, 2), "a transposed convolution of 2x2")
        self.tensors[f"{operator.output}.weight"] = kernel.transpose(3, 0, 1, 2)
        self.tensors[f"{operator.output}.bias"] = self.graph.constants[bias]
        self._add("upconv", operator)

    def _pad(self, operator: Operator) -> None:
        _, rows, columns, channels = self.graph.constants[operator.inputs[1]].tolist()
        source = self._value(operator.inputs[0])
        if channels == [0, 0]:
            self._pads[operator.output] = (*columns, *rows)
        else:
            _require(rows == columns == [0, 0] and channels[0] == 0, "channels padded at their end alone")
        # Into the convolution behind it, or into an addition to the first channels.
        self._same_as[operator.output] = source

    def _prelu(self, operator: Operator) -> None:
        slope = self.graph.constants[operator.inputs[1]]
        self.tensors[f"{operator.output}.slope"] = slope.reshape(-1)
        self._add("act", operator, act="prelu")

    def _sum(self, operator: Operator) -> None:
        self._add("add", operator, fused=True)
        # One of them may have had its channels padded; `add` wants the other one first.
        step = self.steps.pop()
        by_channels = sorted(step.inputs, key=lambda number: -self.graph.shapes[number][-1])
        self.steps.append(replace(step, inputs=tuple(by_channels)))

    def _mul(self, operator: Operator) -> None:
        _require(self.graph.shapes[operator.inputs[1]][1:3] == (1, 1), "a factor per channel")
        self._add("mul", operator)

    def _average(self, operator: Operator) -> None:
        sides = self.graph.shapes[operator.inputs[0]][1:3]
        _require(
            sides == (operator.options.filterHeight, operator.options.filterWidth), "a mean of all pixels"
        )
        self._add("mean", operator)

    def _max_pool(self, operator: Operator) -> None:
        options = operator.options
        window = {options.filterHeight, options.filterWidth, options.strideH, options.strideW}
        sides = self.graph.shapes[operator.inputs[0]][1:3]
        _require(window == {2} and not any(side % 2 for side in sides), "max-pooling of 2x2 on even sides")
        self._add("max_pool", operator)

    def _resize(self, operator: Operator) -> None:
        options = operator.options
        _require(options.halfPixelCenters and not options.alignCorners, "half-pixel centres")
        self._add("resize", operator, size=self.graph.shapes[operator.output][1:3])

    def _depth_to_space(self, operator: Operator) -> None:
        _require(operator.options.blockSize == 2, "blocks of 2x2")
        self._add("depth_to_space", operator)

    def _reshape(self, operator: Operator) -> None:
        shape = self.graph.shapes[operator.output]
        _require(len(shape) <= _ROW_OUTPUTS, "rows")
        self._add("rows", operator, width=shape[-1])


def _same(shape: tuple[int, ...], kernel: tuple[int, ...], stride: int) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom) of TensorFlow's SAME: as many pixels out as strides fit in."""
    pads: list[int] = []
    for side, taps in ((shape[2], kernel[3]), (shape[1], kernel[2])):
        total = max((-(-side // stride) - 1) * stride + taps - side, 0)
        pads += [total // 2, total - total // 2]
    left, right, top, bottom = pads
    return left, right, top, bottom


def _require(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(f"expected {what}")


def halves(tensors: Tensors) -> Iterable[str]:
    """Return the names of tensors that half precision does not hold exactly."""
    return [name for name, value in tensors.items() if not np.array_equal(value.astype(np.float16), value)]
