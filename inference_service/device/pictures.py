"""The pictures of one batch on their way through a chain, converted only when a filter needs it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from inference_service.device import colour
from inference_service.device.colour import Colour
from inference_service.device.crossing import Crossing, Planes


class Pictures:
    """N pictures of one size and colour: as the planes that came, as I420 or as RGB on the device."""

    def __init__(
        self,
        planes: Sequence[memoryview],
        size: tuple[int, int],
        meant: Colour,
        device: torch.device,
        crossing: Crossing,
    ) -> None:
        """`size` is (width, height)."""
        self._planes: Sequence[memoryview] | None = planes
        self._width, self._height = size
        self._count = len(planes)
        self._colour = meant
        self._device = device
        self._crossing = crossing
        self._i420: torch.Tensor | None = None
        self._rgb: torch.Tensor | None = None

    @property
    def came(self) -> Sequence[memoryview] | None:
        """The packed planes as they came; None once a filter has replaced them."""
        return self._planes

    def rgb(self) -> torch.Tensor:
        """Return (N, 3, H, W) RGB uint8 on the device, channels last, not the memory of any message."""
        if self._rgb is None:
            if self._i420 is None and self._device.type == "cpu":
                with self._crossing.stages.lap("to_rgb"):
                    self._rgb = colour.planes_to_rgb(self._arrays(), self._colour)
            else:
                i420 = self.i420()
                with self._crossing.stages.lap("to_rgb"):
                    self._rgb = colour.i420_to_rgb(i420, self._colour)
        return self._rgb

    def i420(self) -> torch.Tensor:
        """Return (N, H * 3 / 2, W) I420 uint8 on the device, not the memory of any message."""
        if self._i420 is None:
            if self._rgb is not None:
                with self._crossing.stages.lap("to_i420"):
                    self._i420 = colour.rgb_to_i420(self._rgb, self._colour)
            else:
                self._i420 = self._crossing.upload(self._arrays())
        return self._i420

    def nothing(self) -> torch.Tensor:
        """Return the (N, 0, 0) batch of a filter that needs no pictures."""
        return torch.empty((self._count, 0, 0), dtype=torch.uint8, device=self._device)

    def replace_rgb(self, rgb: torch.Tensor) -> None:
        self._planes, self._i420, self._rgb = None, None, rgb

    def replace_i420(self, i420: torch.Tensor) -> None:
        self._planes, self._i420, self._rgb = None, i420, None

    def _arrays(self) -> list[Planes]:
        assert self._planes is not None
        rows = self._height * 3 // 2
        return [np.frombuffer(one, np.uint8).reshape(rows, self._width) for one in self._planes]
