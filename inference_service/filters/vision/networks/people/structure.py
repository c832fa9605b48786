"""What a network consists of: named outputs and a list of steps, each one operator with its numbers.

The weights files hold it as JSON in their metadata; `network.py` reads them. A step's tensors are named by
the number of its output: `12.weight`, `12.bias`, `12.slope`.

    {"input": [3, 128, 128], "outputs": {"scores": 80, "boxes": 81},
     "steps": [{"op": "conv", "inputs": [0], "output": 1, "pads": [0, 1, 0, 1], "act": "relu"}, ...]}

Value 0 is the picture. Steps stand in an order in which they can run. What is 0, 1 or empty by default is
left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from inference_service.errors import WeightsError

OPERATORS = frozenset(
    ("conv", "upconv", "add", "mul", "mean", "max_pool", "resize", "act", "depth_to_space", "rows", "concat")
)
ACTIVATIONS = frozenset(("", "relu", "relu6", "hardswish", "sigmoid", "prelu"))


@dataclass(frozen=True, slots=True)
class Step:
    """One operator; `act` is applied to its result.

    `conv`: `pads` are (left, right, top, bottom) zeros, lopsided as TensorFlow's SAME is at stride 2.
    `upconv`: a transposed convolution of 2x2 at stride 2. `add`: the second input may have fewer channels
    than the first, and is added to the first of them. `mean`: over height and width, which stay as 1.
    `max_pool`: 2x2 at stride 2. `resize`: bilinear with half-pixel centres, to `size`, which is (height,
    width). `depth_to_space`: (4 C, H, W) to (C, 2 H, 2 W), channels ordered (row, column, channel) as
    TensorFlow does. `rows`: (C, H, W) to (H W C / `width`, `width`), in the order row, column, channel.
    `concat`: of rows, one after the other.
    """

    op: str
    inputs: tuple[int, ...]
    output: int
    stride: int = 1
    pads: tuple[int, ...] = (0, 0, 0, 0)
    groups: int = 1
    size: tuple[int, ...] = ()
    width: int = 0
    act: str = ""


@dataclass(frozen=True, slots=True)
class Structure:
    """A whole network; `input` is (channels, height, width) of one picture."""

    input: tuple[int, int, int]
    outputs: dict[str, int]
    steps: tuple[Step, ...]

    def pruned(self, outputs: Sequence[str]) -> Structure:
        """Return the same network without the steps that none of these outputs needs.

        Raises WeightsError where one of them is unknown.
        """
        if unknown := sorted(set(outputs) - self.outputs.keys()):
            raise WeightsError(
                f"the network has no output {', '.join(unknown)}; it has {', '.join(self.outputs)}"
            )
        wanted = {name: self.outputs[name] for name in outputs}
        needed = set(wanted.values())
        steps = []
        for step in reversed(self.steps):
            if step.output in needed:
                needed.update(step.inputs)
                steps.append(step)
        return Structure(self.input, wanted, tuple(reversed(steps)))


def dump(structure: Structure) -> str:
    """Return the structure as compact JSON."""
    defaults = {field.name: field.default for field in fields(Step)}
    steps = [
        {name: value for name, value in asdict(step).items() if value != defaults[name]}
        for step in structure.steps
    ]
    parts = {"input": structure.input, "outputs": structure.outputs, "steps": steps}
    return json.dumps(parts, separators=(",", ":"))


def parse(text: str) -> Structure:
    """Return the structure that `dump` wrote.

    Raises WeightsError where it is none, has an unknown operator, or a step needs what no earlier one makes.
    """
    try:
        parts: Any = json.loads(text)
        steps = tuple(_step(entry) for entry in parts["steps"])
        channels, height, width = parts["input"]
        structure = Structure((channels, height, width), dict(parts["outputs"]), steps)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise WeightsError(f"the weights file's `structure` is no network ({exc})") from exc
    _check(structure)
    return structure


def _step(entry: dict[str, Any]) -> Step:
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    return Step(**given)


def _check(structure: Structure) -> None:
    made = {0}
    for step in structure.steps:
        if step.op not in OPERATORS or step.act not in ACTIVATIONS:
            raise WeightsError(f"step {step.output} is {step.op!r} with {step.act!r}, which is unknown here")
        if not step.inputs or not made.issuperset(step.inputs):
            raise WeightsError(f"step {step.output} needs {step.inputs}, which no earlier step makes")
        if step.output in made:
            raise WeightsError(f"two steps make {step.output}")
        made.add(step.output)
    if missing := sorted(name for name, value in structure.outputs.items() if value not in made):
        raise WeightsError(f"no step makes the output {', '.join(missing)}")
