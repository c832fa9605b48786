"""What a filter's first batch shows of it: mistakes that every later batch would have, told once.

The batch is the worker's own, of noise in the whole range, so that a dark result is the filter's doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from inference_service.engine.growth import parts
from inference_service.errors import BadResult
from inference_service.filters.base import Filter, Item

SMALL = 4.0
"""Normalised pictures lie within this of zero, whatever mean and deviation were taken from them."""
LARGE = 4096.0
"""Strong contrast leaves [0, 255] by far, and the worker clamps it. No look takes it as far as this."""
MOST_DEPTH = 8


def check(one: Filter, batch: torch.Tensor, result: torch.Tensor, items: Sequence[Item]) -> None:
    """Raise BadResult where the result of noise has another range than [0, 255], or a state holds pictures.

    `batch` and `result` as `apply` got and returned them. Waits for the device.
    """
    if result.numel():
        _check_range(one, result)
    for item in items:
        if item.state and not one.keeps_state:
            raise BadResult(one.name, "writes into item.state, which is lost: set keeps_state = True")
        _check_memory(one, item.state, (batch, result))


def _check_range(one: Filter, result: torch.Tensor) -> None:
    if not result.is_floating_point():
        if int(result.max()) == 1:
            raise BadResult(one.name, "returned uint8 values of 0 and 1 alone, expected 0 to 255")
        return
    finite = result[torch.isfinite(result)]
    if not finite.numel():
        return
    low, high = float(finite.min()), float(finite.max())
    came = f"returned floats from {low:.3g} to {high:.3g}"
    has_fractions = bool((finite != finite.round()).any())
    if has_fractions and low >= 0 and high <= 1:
        raise BadResult(one.name, f"{came}, expected 0 to 255: multiply by 255")
    if has_fractions and low < 0 and max(-low, high) <= SMALL:
        raise BadResult(one.name, f"{came}, expected 0 to 255: undo the normalisation")
    if max(-low, high) > LARGE:
        raise BadResult(one.name, f"{came}, expected 0 to 255")


def _check_memory(one: Filter, state: dict[str, Any], pictures: Iterable[torch.Tensor]) -> None:
    used = {tensor.untyped_storage().data_ptr() for tensor in pictures if tensor.numel()}
    for name, value in state.items():
        if any(tensor.untyped_storage().data_ptr() in used for tensor in _tensors(value)):
            # The next filter of a chain may write into it, and a part keeps the memory of the whole batch.
            raise BadResult(
                one.name, f"keeps memory of the batch or of its result in state[{name!r}]: .clone() it"
            )


def _tensors(value: object, depth: int = 0) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if value.numel():
            yield value
    elif depth < MOST_DEPTH:
        for one in parts(value):
            yield from _tensors(one, depth + 1)
