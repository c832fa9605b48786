"""Which pixels are a person: one of two small networks on the whole picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import files
from inference_service.filters.vision.networks.people.fit import Fit

Kind = Literal["general", "wide"]


class PersonMask:
    """Person masks of a batch.

    `general` sees 256x256 pixels and is the better one at every shape of picture that was measured; `wide`
    sees 256x144 and takes less time (docs/networks.md). Both see the picture stretched: that was
    better than black or repeated borders in all but one of twelve cases.
    """

    def __init__(self, kind: Kind, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Load the weights. Raises WeightsError if they are not those of this version."""
        self._network = files.load(f"person_{kind}", device, dtype)
        self.size = self._network.input[1], self._network.input[2]
        """(height, width) of the masks."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """Return what `begin` begins to find."""
        return self.begin(pictures)()

    @torch.inference_mode()
    def begin(self, pictures: Tensor) -> Callable[[], Tensor]:
        """Begin to look, and return what waits for the masks; on a CPU that LiteRT computes meanwhile.

        Masks are the probability of a person, (N, 1, *size) float32 in [0, 1], of the whole picture each.

        `pictures` are (N, 3, H, W) RGB in [0, 255], uint8 or floating, on the network's device; they stay as
        they are. Pixel (0, 0) of a mask is the picture's upper left corner, whatever their sizes: enlarge it
        with `align_corners=False`.
        """
        fit = Fit.stretched((pictures.shape[2], pictures.shape[3]), self.size)
        outputs = self._network.begin(fit.apply(pictures, 0, 1))
        return lambda: outputs()[0].float()
