"""The same network with fewer and cheaper steps; only rounding differs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from inference_service.filters.vision.networks.people.structure import Step, Structure


def fuse(structure: Structure, tensors: dict[str, np.ndarray]) -> tuple[Structure, dict[str, np.ndarray]]:
    """Return the network with activations fused and 1x1 convolutions before the enlargement they follow."""
    structure, tensors = _with_activations(structure, tensors)
    return _with_late_resizes(structure, tensors)


def _uses(structure: Structure) -> Counter[int]:
    uses = Counter(number for step in structure.steps for number in step.inputs)
    uses.update(structure.outputs.values())
    return uses


def _with_activations(
    structure: Structure, tensors: dict[str, np.ndarray]
) -> tuple[Structure, dict[str, np.ndarray]]:
    """An activation alone becomes that of the step before it, where nobody else needs that step's result."""
    uses = _uses(structure)
    steps: dict[int, Step] = {}
    renamed: dict[int, int] = {}
    for step in structure.steps:
        source = steps.get(step.inputs[0])
        if step.op == "act" and source is not None and not source.act and uses[source.output] == 1:
            del steps[source.output]
            renamed[source.output] = step.output
            steps[step.output] = replace(source, output=step.output, act=step.act)
        else:
            steps[step.output] = step
    moved = {}
    for name, value in tensors.items():
        number, kind = name.split(".")
        moved[f"{renamed.get(int(number), int(number))}.{kind}"] = value
    return replace(structure, steps=tuple(steps.values())), moved


def _with_late_resizes(
    structure: Structure, tensors: dict[str, np.ndarray]
) -> tuple[Structure, dict[str, np.ndarray]]:
    """Both are linear and the weights of a bilinear sum are 1 together, so their order is free.

    Before the enlargement a convolution has a quarter of the pixels, and behind it the enlargement has the
    fewer channels: twice less work.
    """
    uses = _uses(structure)
    steps = list(structure.steps)
    positions = {step.output: position for position, step in enumerate(steps)}
    for position, conv in enumerate(steps):
        resize = steps[positions[conv.inputs[0]]] if conv.inputs[0] in positions else None
        if (
            conv.op != "conv"
            or resize is None
            or resize.op != "resize"
            or resize.act
            or uses[resize.output] > 1
        ):
            continue
        out_channels, in_channels, *kernel = tensors[f"{conv.output}.weight"].shape
        if kernel != [1, 1] or conv.groups > 1 or out_channels > in_channels or conv.act == "prelu":
            continue
        # The numbers change hands, so that whoever needs the result finds it where it was.
        for kind in ("weight", "bias"):
            tensors[f"{resize.output}.{kind}"] = tensors.pop(f"{conv.output}.{kind}")
        steps[positions[resize.output]] = replace(conv, inputs=resize.inputs, output=resize.output, act="")
        steps[position] = replace(resize, inputs=(resize.output,), output=conv.output, act=conv.act)
    return replace(structure, steps=tuple(steps)), tensors
