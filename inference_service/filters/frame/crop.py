"""A part of each picture in the size of the whole one: OpenCV on a CPU, torch elsewhere.

On a CPU `cv2.resize` takes a tenth of the time of `cv2.warpAffine`, but it begins at whole pixels. So a
somewhat larger part is resized, chosen such that one of the result's whole pixels lies where the wanted part
begins. That is true to a fifth of a pixel, mostly to a thirtieth, so that a slow pan does not jerk.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.vision.levels import interleaved

WHOLE = 1.002
"""A magnification below which a picture is left as it is."""
SPARE = 32
"""Most pixels that are resized beyond those that are shown."""


def enlarged(batch: Tensor, centre: Tensor, zoom: Tensor) -> Tensor:
    """Return (N, 3, H, W) uint8 pictures: the parts round `centre` (N, 2), `zoom` (N,) times as large.

    Centres are x, y in pixels, (0, 0) the outer corner of the first one; parts lie within the pictures.
    Bicubic. The batch itself is returned where nothing is enlarged on a CPU.
    """
    return _on_cpu(batch, centre, zoom) if batch.is_cpu else on_device(batch, centre, zoom)


def _on_cpu(batch: Tensor, centre: Tensor, zoom: Tensor) -> Tensor:
    if bool((zoom < WHOLE).all()):
        return batch
    pictures = interleaved(batch)
    made = np.empty_like(pictures)
    for image_rgb, into, middle, times in zip(pictures, made, centre.tolist(), zoom.tolist(), strict=True):
        if times < WHOLE:
            into[:] = image_rgb
        else:
            _enlarge(image_rgb, into, middle, times)
    return torch.from_numpy(made).permute(0, 3, 1, 2)


def _enlarge(
    image_rgb: NDArray[np.uint8], into: NDArray[np.uint8], middle: tuple[float, float], zoom: float
) -> None:
    height, width = image_rgb.shape[:2]
    x, y = (stretch(at, side, zoom) for at, side in zip(middle, (width, height), strict=True))
    part = image_rgb[y.first : y.first + y.taken, x.first : x.first + x.taken]
    large = cv2.resize(part, (x.large, y.large), interpolation=cv2.INTER_CUBIC)
    into[:] = large[y.skipped : y.skipped + height, x.skipped : x.skipped + width]


class Stretch(NamedTuple):
    """Pixels `first` to `first + taken` become `large` ones, of which the first `skipped` are not shown."""

    first: int
    taken: int
    large: int
    skipped: int


def stretch(middle: float, side: int, zoom: float) -> Stretch:
    """Return how to stretch one direction of a picture of `side` pixels to that many, round `middle`."""
    step = 1 / zoom
    large, skipped = np.mgrid[side : side + SPARE + 1, 0 : SPARE + 1]
    count = np.rint(large * step).astype(int).clip(1, side)
    its_step = count / large
    wanted = middle - side * its_step / 2
    first = np.rint(wanted - skipped * its_step).astype(int).clip(0, side - count)
    # Pixels by which the part's middle and its border are missed.
    missed = np.abs(first + skipped * its_step - wanted) + np.abs(its_step - step) * (side / 2)
    missed[skipped > large - side] = np.inf
    best = int(np.argmin(missed))
    return Stretch(*(int(one.flat[best]) for one in (first, count, large, skipped)))


def on_device(batch: Tensor, centre: Tensor, zoom: Tensor) -> Tensor:
    """Do as `enlarged` does, without a question to the device."""
    return ENLARGED(batch, centre, zoom, WHOLE)


def _enlarged_by_torch(batch: Tensor, centre: Tensor, zoom: Tensor, whole: float) -> Tensor:
    height, width = batch.shape[2:]
    is_whole = zoom < whole
    # `affine_grid` counts from -1 at the picture's left and upper border to 1 at the other ones.
    x, y = centre[:, 0] * (2 / width) - 1, centre[:, 1] * (2 / height) - 1
    step, x, y = torch.where(is_whole, 1, 1 / zoom), torch.where(is_whole, 0, x), torch.where(is_whole, 0, y)
    none = torch.zeros_like(step)
    back = torch.stack((torch.stack((step, none, x), -1), torch.stack((none, step, y), -1)), 1)
    grid = nnf.affine_grid(back, list(batch.shape), align_corners=False)
    made = nnf.grid_sample(batch.float(), grid, "bicubic", "border", align_corners=False)
    return made.round_().clamp_(0, 255).to(torch.uint8)


def _samples(device: torch.device) -> list[tuple[Tensor, Tensor, Tensor, float]]:
    batch = torch.randint(0, 256, (4, 3, 480, 640), dtype=torch.uint8, device=device)
    batch = batch.contiguous(memory_format=torch.channels_last)
    centre = torch.tensor([[320.0, 240.0], [300.5, 200.25], [200.0, 300.0], [400.0, 240.0]], device=device)
    return [(batch, centre, torch.tensor([1.0, 1.3, 2.0, 1.7], device=device), WHOLE)]


ENLARGED = Twin(
    "enlarged",
    _enlarged_by_torch,
    kernel_of("inference_service.filters.frame.kernels.crop", "enlarged"),
    _samples,
)
