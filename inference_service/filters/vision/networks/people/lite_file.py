"""A network of `structure.py` as a TensorFlow Lite model, in memory: the form in which LiteRT runs it.

One picture goes in, (1, H, W, C). Maps come out as (1, h, w, channels), rows as they are: (1, R, width). The
numbers are those that torch computes with. Import this only where LiteRT is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from torch import Tensor

from inference_service.filters.vision.networks.people.structure import Step, Structure

Array = NDArray[Any]
Shape = tuple[int, ...]

VERSION, IDENTIFIER = 3, b"TFL3"
"""Of the file format: https://ai.google.dev/edge/litert/conversion/tensorflow/overview, `schema.fbs`."""
ACTIVATIONS = {
    "relu": "RELU",
    "relu6": "RELU6",
    "hardswish": "HARD_SWISH",
    "sigmoid": "LOGISTIC",
    "prelu": "PRELU",
}
FUSED = {"relu": schema.ActivationFunctionType.RELU, "relu6": schema.ActivationFunctionType.RELU6}
"""Activations that an operator itself may apply, if its options have a field for it."""


def pack(structure: Structure, tensors: Mapping[str, Tensor]) -> bytes:
    """Return the model; `tensors` are named as `structure.py` says. Raises KeyError where one is missing."""
    model = Model()
    channels, height, width = structure.input
    values = {0: model.tensor((1, height, width, channels))}
    for step in structure.steps:
        own = _Tensors(step, tensors)
        act = FUSED.get(step.act, 0) if step.op in ("conv", "upconv", "add", "mul") else 0
        made = _MAKERS[step.op](model, step, [values[number] for number in step.inputs], own, act)
        if step.act and not act:
            slope = [model.constant(own["slope"][None, None])] if step.act == "prelu" else []
            made = model.run(ACTIVATIONS[step.act], [made, *slope], model.shapes[made])
        values[step.output] = made
    return model.packed(values[0], [values[number] for number in structure.outputs.values()])


class Model:
    """A graph that grows by one operator after the other. Values and constants are told by their numbers."""

    def __init__(self) -> None:
        self.shapes: list[Shape] = []
        self._graph = schema.SubGraphT(tensors=[], operators=[])
        self._codes: list[int] = []
        # The first buffer is that of every value, and empty.
        self._buffers = [schema.BufferT()]

    def tensor(self, shape: Shape, type_: int = schema.TensorType.FLOAT32, buffer: int = 0) -> int:
        """Return the number of a new value."""
        self._graph.tensors.append(
            schema.TensorT(shape=list(shape), type=type_, buffer=buffer, name=str(len(self.shapes)))
        )
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def constant(self, values: Array) -> int:
        """Return the number of a constant: float32 as it is, anything else as int32."""
        is_float = values.dtype == np.float32
        values = np.ascontiguousarray(values, np.float32 if is_float else np.int32)
        self._buffers.append(schema.BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
        type_ = schema.TensorType.FLOAT32 if is_float else schema.TensorType.INT32
        return self.tensor(values.shape, type_, len(self._buffers) - 1)

    def run(self, name: str, inputs: Sequence[int], shape: Shape, options: Any = None) -> int:
        """Append an operator of TensorFlow Lite's; return the number of its result, which has this shape."""
        code = getattr(schema.BuiltinOperator, name)
        if code not in self._codes:
            self._codes.append(code)
        kind = type(options).__name__.removesuffix("T") if options is not None else "NONE"
        result = self.tensor(shape)
        self._graph.operators.append(
            schema.OperatorT(
                opcodeIndex=self._codes.index(code),
                inputs=list(inputs),
                outputs=[result],
                builtinOptionsType=getattr(schema.BuiltinOptions, kind),
                builtinOptions=options,
            )
        )
        return result

    def packed(self, input_: int, outputs: Sequence[int]) -> bytes:
        """Return the finished file."""
        self._graph.inputs, self._graph.outputs = [input_], list(outputs)
        model = schema.ModelT(
            version=VERSION,
            # The first of both fields is what older readers know, and holds codes below 127.
            operatorCodes=[schema.OperatorCodeT(deprecatedBuiltinCode=c, builtinCode=c) for c in self._codes],
            subgraphs=[self._graph],
            buffers=self._buffers,
        )
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())


class _Tensors:
    """Of one step, by `weight`, `bias`, `slope`, as float32 arrays."""

    def __init__(self, step: Step, tensors: Mapping[str, Tensor]) -> None:
        self._output = step.output
        self._tensors = tensors

    def __getitem__(self, kind: str) -> Array:
        return self._tensors[f"{self._output}.{kind}"].float().numpy()


_Inputs = Sequence[int]


def _conv(model: Model, step: Step, inputs: _Inputs, own: _Tensors, act: int) -> int:
    weight = own["weight"]
    kernel = weight.shape[2], weight.shape[3]
    source, padding = _padded(model, step, inputs[0], kernel)
    _, height, width, _ = model.shapes[source]
    stride = {"strideH": step.stride, "strideW": step.stride}
    given = {**stride, "padding": padding, "fusedActivationFunction": act}
    sides = (
        _ceil(side, step.stride) if padding == schema.Padding.SAME else _ceil(side - reach + 1, step.stride)
        for side, reach in zip((height, width), kernel, strict=True)
    )
    shape = (1, *sides, weight.shape[0])
    if step.groups == 1:
        order, name, options = (0, 2, 3, 1), "CONV_2D", schema.Conv2DOptionsT(**given)
    else:
        order, name = (1, 2, 3, 0), "DEPTHWISE_CONV_2D"
        options = schema.DepthwiseConv2DOptionsT(depthMultiplier=weight.shape[0] // step.groups, **given)
    constants = [model.constant(weight.transpose(order)), model.constant(own["bias"])]
    return model.run(name, [source, *constants], shape, options)


def _padded(model: Model, step: Step, source: int, kernel: tuple[int, int]) -> tuple[int, int]:
    """Return what a convolution reads, and which padding it is to add itself."""
    left, right, top, bottom = step.pads
    if not any(step.pads):
        return source, schema.Padding.VALID
    _, height, width, channels = model.shapes[source]
    if ((top, bottom), (left, right)) == tuple(
        _same(side, step.stride, reach) for side, reach in zip((height, width), kernel, strict=True)
    ):
        return source, schema.Padding.SAME
    zeros = model.constant(np.array(((0, 0), (top, bottom), (left, right), (0, 0))))
    shape = (1, height + top + bottom, width + left + right, channels)
    return model.run("PAD", [source, zeros], shape, schema.PadOptionsT()), schema.Padding.VALID


def _same(side: int, stride: int, reach: int) -> tuple[int, int]:
    """Return the zeros before and after a side that TensorFlow's SAME means."""
    total = max((_ceil(side, stride) - 1) * stride + reach - side, 0)
    return total // 2, total - total // 2


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _upconv(model: Model, _step: Step, inputs: _Inputs, own: _Tensors, act: int) -> int:
    # As in `operators.py`: each pixel becomes 2x2 of its own.
    weight, bias = own["weight"], own["bias"]
    channels, outputs = weight.shape[:2]
    matrix = weight.transpose(2, 3, 1, 0).reshape(4 * outputs, 1, 1, channels)
    constants = [model.constant(matrix), model.constant(np.tile(bias, 4))]
    options = schema.Conv2DOptionsT(
        strideH=1, strideW=1, padding=schema.Padding.VALID, fusedActivationFunction=act
    )
    shape = (*model.shapes[inputs[0]][:3], 4 * outputs)
    return _blocks(model, model.run("CONV_2D", [inputs[0], *constants], shape, options))


def _blocks(model: Model, source: int) -> int:
    _, height, width, channels = model.shapes[source]
    shape = (1, 2 * height, 2 * width, channels // 4)
    return model.run("DEPTH_TO_SPACE", [source], shape, schema.DepthToSpaceOptionsT(blockSize=2))


def _add(model: Model, _step: Step, inputs: _Inputs, _own: _Tensors, act: int) -> int:
    one, other = inputs
    shape = model.shapes[one]
    if missing := shape[3] - model.shapes[other][3]:
        zeros = model.constant(np.array(((0, 0), (0, 0), (0, 0), (0, missing))))
        other = model.run("PAD", [other, zeros], shape, schema.PadOptionsT())
    return model.run("ADD", [one, other], shape, schema.AddOptionsT(fusedActivationFunction=act))


def _mul(model: Model, _step: Step, inputs: _Inputs, _own: _Tensors, act: int) -> int:
    # One of both may be a single pixel.
    shape = max((model.shapes[number] for number in inputs), key=np.prod)
    return model.run("MUL", inputs, shape, schema.MulOptionsT(fusedActivationFunction=act))


def _mean(model: Model, _step: Step, inputs: _Inputs, _own: _Tensors, _act: int) -> int:
    shape = (1, 1, 1, model.shapes[inputs[0]][3])
    sides = model.constant(np.array((1, 2)))
    return model.run("MEAN", [inputs[0], sides], shape, schema.ReducerOptionsT(keepDims=True))


def _max_pool(model: Model, _step: Step, inputs: _Inputs, _own: _Tensors, _act: int) -> int:
    _, height, width, channels = model.shapes[inputs[0]]
    options = schema.Pool2DOptionsT(
        padding=schema.Padding.VALID, strideH=2, strideW=2, filterHeight=2, filterWidth=2
    )
    return model.run("MAX_POOL_2D", inputs, (1, height // 2, width // 2, channels), options)


def _resize(model: Model, step: Step, inputs: _Inputs, _own: _Tensors, _act: int) -> int:
    shape = (1, *step.size, model.shapes[inputs[0]][3])
    size = model.constant(np.array(step.size))
    options = schema.ResizeBilinearOptionsT(halfPixelCenters=True)
    return model.run("RESIZE_BILINEAR", [inputs[0], size], shape, options)


def _rows(model: Model, step: Step, inputs: _Inputs, _own: _Tensors, _act: int) -> int:
    shape = (1, int(np.prod(model.shapes[inputs[0]])) // step.width, step.width)
    places = model.constant(np.array(shape))
    return model.run("RESHAPE", [inputs[0], places], shape, schema.ReshapeOptionsT(newShape=list(shape)))


def _concat(model: Model, _step: Step, inputs: _Inputs, _own: _Tensors, _act: int) -> int:
    rows = sum(model.shapes[number][1] for number in inputs)
    shape = (1, rows, model.shapes[inputs[0]][2])
    return model.run("CONCATENATION", inputs, shape, schema.ConcatenationOptionsT(axis=1))


_MAKERS: Mapping[str, Callable[[Model, Step, _Inputs, _Tensors, int], int]] = {
    "conv": _conv,
    "upconv": _upconv,
    "add": _add,
    "mul": _mul,
    "mean": _mean,
    "max_pool": _max_pool,
    "resize": _resize,
    "act": lambda _model, _step, inputs, _own, _act: inputs[0],
    "depth_to_space": lambda model, _step, inputs, _own, _act: _blocks(model, inputs[0]),
    "rows": _rows,
    "concat": _concat,
}
