"""One filter on one batch of pictures: what it gets, and what is checked of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.device.laps import Stages
from inference_service.device.pictures import Pictures
from inference_service.engine.telling import Telling
from inference_service.errors import BadResult
from inference_service.filters.base import Filter, Filtered, Item

FILTER = "filter"
"""The stage of all filters of a chain. The others: `upload`, `to_rgb`, `to_i420`, `download`, and those that
filters name themselves."""


Inspect = Callable[[Filter, torch.Tensor, torch.Tensor, Sequence[Item]], None]
"""Looks at a filter's batch, result and items, and may raise BadResult."""


def no_inspection(one: Filter, batch: torch.Tensor, result: torch.Tensor, items: Sequence[Item]) -> None:
    """Look at nothing: for all batches but the first."""


def apply(
    one: Filter,
    pictures: Pictures,
    items: Sequence[Item],
    stages: Stages,
    inspect: Inspect = no_inspection,
    telling: Telling | None = None,
) -> torch.Tensor | None:
    """Replace the pictures by the filter's.

    `telling` takes what the filter tells of them. Returns which are spoiled, (N,) bool; None where none can
    be. Raises BadResult and what the filter raises.
    """
    if not one.needs_pictures:
        batch = pictures.nothing()
        inspect(one, batch, _check(one, _applied(one, batch, items, stages, telling), batch), items)
        return None
    is_i420 = one.works_on == "i420"
    batch = pictures.i420() if is_i420 else pictures.rgb()
    result, spoiled = filtered(one, batch, items, stages, inspect, telling)
    if is_i420:
        if result.data_ptr() != batch.data_ptr():
            # Perhaps the filter's own memory, which it may write again before this has been sent.
            result = result.clone()
        pictures.replace_i420(result)
    else:
        pictures.replace_rgb(result)
    return spoiled


def filtered(
    one: Filter,
    batch: torch.Tensor,
    items: Sequence[Item],
    stages: Stages,
    inspect: Inspect = no_inspection,
    telling: Telling | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the filter's batch as uint8, and (N,) bool: which pictures have a NaN or an infinity.

    None in place of the second where none can have one. Raises as `apply` does.
    """
    came = _check(one, _applied(one, batch, items, stages, telling), batch)
    inspect(one, batch, came, items)
    return _levels(came)


def _applied(
    one: Filter, batch: torch.Tensor, items: Sequence[Item], stages: Stages, telling: Telling | None
) -> object:
    with stages.of_filter(FILTER):
        result = one.apply(batch, items)
        if not isinstance(result, Filtered):
            return result
        if telling is not None:
            telling.add(one, result.data, items)
        return result.pictures


def _check(one: Filter, result: object, batch: torch.Tensor) -> torch.Tensor:
    if not isinstance(result, torch.Tensor):
        raise BadResult(one.name, f"returned {type(result).__name__}, expected a tensor")
    for what, came, expected in (
        ("shape", tuple(result.shape), tuple(batch.shape)),
        ("device", result.device, batch.device),
    ):
        if came != expected:
            raise BadResult(one.name, f"returned a batch of {what} {came}, expected {expected}")
    if result.dtype != torch.uint8 and not result.is_floating_point():
        raise BadResult(one.name, f"returned a batch of type {result.dtype}, expected uint8 or floats")
    return result


def _levels(result: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return uint8 pictures, and for floating point (N,) bool: which have a NaN or an infinity."""
    if result.dtype == torch.uint8:
        # An expanded one has pixels that share memory, and the next filter of the chain may write into it.
        return result.contiguous() if 0 in result.stride() else result, None
    return (LEVELS if result.dtype in _KERNELS_TYPES else _levels_by_torch)(result)


def _levels_by_torch(result: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # Both ends show a NaN, too: two passes over the pictures, where asking each value takes five.
    most = torch.finfo(result.dtype).max
    values = tuple(range(1, result.dim()))
    is_finite = (result.amin(values) >= -most) & (result.amax(values) <= most)
    return result.nan_to_num(0.0, 0.0, 0.0).round_().clamp_(0, 255).to(torch.uint8), ~is_finite


def _samples(device: torch.device) -> list[tuple[torch.Tensor]]:
    made = []
    for dtype in _KERNELS_TYPES:
        pictures = torch.rand((4, 3, 480, 640), dtype=dtype, device=device) * 300 - 20
        pictures[1, 0, 0, 0] = torch.nan
        made.append((pictures.contiguous(memory_format=torch.channels_last),))
    return made


_KERNELS_TYPES = (torch.float32, torch.float16)
LEVELS = Twin(
    "levels", _levels_by_torch, kernel_of("inference_service.device.kernels.colour", "levels"), _samples
)
