"""A .tflite file as a list of operators with their constants as arrays.

Constants of half precision (DEQUANTIZE) are enlarged. Sparse ones (DENSIFY) come from LiteRT, which fills in
their zeros while it runs, so that their encoding is not decoded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
_TYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
}
_FOLDED = ("DEQUANTIZE", "DENSIFY")


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the file: `name` as TensorFlow Lite has it, or a custom operator's own."""

    name: str
    inputs: tuple[int, ...]
    """Numbers of tensors; constants are looked up in `Graph.constants`."""
    output: int
    options: Any


@dataclass(frozen=True, slots=True)
class Graph:
    """A whole file; shapes and arrays are NHWC, as they are there."""

    operators: tuple[Operator, ...]
    constants: dict[int, np.ndarray]
    shapes: dict[int, tuple[int, ...]]
    input: int
    outputs: tuple[int, ...]


def read_graph(path: Path) -> Graph:
    """Return the first graph of the file."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    operators = []
    for entry in graph.operators:
        code = model.operatorCodes[entry.opcodeIndex]
        name = _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if name == "CUSTOM":
            name = code.customCode.decode()
        inputs = tuple(int(number) for number in entry.inputs)
        operators.append(Operator(name, inputs, int(entry.outputs[0]), entry.builtinOptions))
    constants = _constants(path, model, operators)
    return Graph(
        tuple(operator for operator in operators if operator.name not in _FOLDED),
        constants,
        {number: tuple(int(side) for side in tensor.shape) for number, tensor in enumerate(graph.tensors)},
        int(graph.inputs[0]),
        tuple(int(number) for number in graph.outputs),
    )


def _constants(path: Path, model: Any, operators: list[Operator]) -> dict[int, np.ndarray]:
    graph = model.subgraphs[0]
    constants = {}
    for number, tensor in enumerate(graph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data) and tensor.sparsity is None and tensor.type in _TYPES:
            shape = tuple(int(side) for side in tensor.shape)
            constants[number] = np.frombuffer(data.tobytes(), _TYPES[tensor.type]).reshape(shape)
    if dense := [operator.output for operator in operators if operator.name == "DENSIFY"]:
        interpreter = Interpreter(
            str(path),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        interpreter.invoke()
        constants.update({number: np.array(interpreter.get_tensor(number)) for number in dense})
    for operator in operators:
        if operator.name == "DEQUANTIZE":
            constants[operator.output] = constants[operator.inputs[0]].astype(np.float32)
    return constants
