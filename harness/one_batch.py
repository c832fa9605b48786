"""One batch of pictures through one filter, as a pipeline does it, on a CPU or a pretended GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from harness.pretended_gpu import CUDA, on_host
from inference_service.device.colour import Colour
from inference_service.device.crossing import CpuCrossings, Crossing, Planes
from inference_service.device.pictures import Pictures
from inference_service.engine.applying import apply
from inference_service.filters.base import Filter, Item


@torch.inference_mode()
def run(
    one: Filter, planes: npt.NDArray[np.uint8], items: Sequence[Item], device: torch.device
) -> npt.NDArray[np.uint8]:
    """Return (H * 3 / 2, W) uint8, the I420 planes of the first picture, where each camera shows `planes`."""
    crossing = _crossing(device)
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    pictures = Pictures(
        [memoryview(planes.tobytes())] * len(items), (width, height), Colour(), device, crossing
    )
    apply(one, pictures, items, crossing.stages)
    result: npt.NDArray[np.uint8] = on_host(pictures.i420())[0].numpy().copy()
    return result


def _crossing(device: torch.device) -> Crossing:
    crossing = CpuCrossings().begin()
    return _Uploaded(crossing) if device.type == "cuda" else crossing


class _Uploaded:
    """Without a GPU's streams."""

    def __init__(self, crossing: Crossing) -> None:
        self._crossing = crossing
        self.stages = crossing.stages

    def upload(self, planes: Sequence[Planes]) -> Tensor:
        return self._crossing.upload(planes).to(CUDA)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._crossing, name)
