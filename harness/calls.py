"""What filters call kernels with, held against their samples, for a card that is not there.

    python -m harness.calls [FILTER ...]

compiles each kernel as its samples call it, lets filters run on a pretended GPU, and gives each kernel what
they call it with. Prints a line for each filter: its calls, and the kernels that were compiled anew, which
on a card would stop the loop in mid-call.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map

from harness import kernels
from harness.kernels import PretendedCard, pretended_card
from harness.launches import loaded
from harness.one_batch import run
from harness.photograph import read_astronaut
from harness.pretended_gpu import CUDA, on_host, pretended_gpu
from inference_service.device.kernels.twin import Twin, twins
from inference_service.filters.base import Item

ARCHITECTURE = 75
CAMERAS = (((320, 240), 2), ((34, 18), 3), ((2, 2), 1))
"""Sizes, (width, height), divisible by 16 or not, and how many pictures of each."""
FLOAT32 = {"precision": "float32"}
FILTERS: Mapping[str, tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]] = {
    "ink": ({}, ({},)),
    "grade": ({}, ({},)),
    "light": (FLOAT32, ({},)),
    "background": (FLOAT32, [{"mode": mode} for mode in ("blur", "colour", "picture", "green")]),
    "frame": (FLOAT32, ({},)),
    "pose": (FLOAT32, ({},)),
    "face": (FLOAT32, ({"mode": "mosaic"}, {"mode": "mask"})),
    "makeup": (FLOAT32, ({},)),
    "animal": (FLOAT32, ({},)),
}
"""Settings of each, and what sessions wish."""


@dataclass(slots=True)
class Calls:
    """Of one filter."""

    counted: dict[str, int] = field(default_factory=dict)
    """By the twin's name."""
    anew: list[str] = field(default_factory=list)
    """Names of twins that no sample stands for."""


def calls(name: str) -> Calls:
    """Run a filter and return what it called; raises what a kernel does with its arguments."""
    kernels.import_all()
    settings, wishes = FILTERS[name]
    with pretended_card(ARCHITECTURE) as card:
        for one in twins():
            kernel = one.load_kernel()
            for args in one.samples(torch.device("cpu")):
                kernel(*args)
        with pretended_gpu(), _called(card) as found:
            made = loaded(name, settings)
            for params in wishes:
                for size, cameras in CAMERAS:
                    items = [
                        Item(bytes([number] * 16), 0, made.Params(**params), {}) for number in range(cameras)
                    ]
                    for _ in range(2):
                        run(made, _planes(size), items, CUDA)
    return found


@contextmanager
def _called(card: PretendedCard) -> Iterator[Calls]:
    found = Calls()
    with ExitStack() as stack:
        for one in twins():
            stack.enter_context(patch.object(one, "_form", _form(one, card, found)))
            stack.enter_context(patch.object(one, "failure", None))
        yield found
        if failed := [f"{one.name}: {one.failure}" for one in twins() if one.failure is not None]:
            raise RuntimeError(f"kernels failed: {', '.join(failed)}")


def _form(one: Twin[Any, Any], card: PretendedCard, found: Calls) -> Callable[..., Any]:
    kernel = one.load_kernel()

    def call(*args: Any) -> Any:
        before = len(card.made)
        with _disable_current_modes():
            kernel(*tree_map(lambda value: on_host(value) if isinstance(value, Tensor) else value, args))
        found.counted[one.name] = found.counted.get(one.name, 0) + 1
        if len(card.made) > before:
            found.anew.append(one.name)
        return one.plain(*args)

    return call


def _planes(size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    import cv2

    return cv2.cvtColor(read_astronaut(size), cv2.COLOR_RGB2YUV_I420).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("filters", nargs="*", default=list(FILTERS), metavar="FILTER")
    given = parser.parse_args()
    print("| filter | calls | compiled anew |")
    print("|---|---|---|")
    for name in given.filters:
        found = calls(name)
        print(f"| {name} | {sum(found.counted.values())} | {', '.join(found.anew)} |", flush=True)


if __name__ == "__main__":
    main()
