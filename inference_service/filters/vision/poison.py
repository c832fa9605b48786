"""Pictures that a network's broken answer must not reach."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.device.kernels.twin import Twin, kernel_of


def poisoned(pictures: Tensor, poison: Tensor) -> Tensor:
    """Return (N, 3, H, W) pictures, all of one NaN where its `poison` (N,) is not finite; else that is 0.

    float32, or float16 for uint8 ones on a GPU; but on a CPU the pictures as they are where all is well.
    Looking costs nothing there, and the worker has no numbers to look through. A GPU is not waited for.
    """
    if pictures.is_cpu and bool(poison.isfinite().all()):
        return pictures
    return POISONED(pictures, poison)


def _poisoned_by_torch(pictures: Tensor, poison: Tensor) -> Tensor:
    # Half precision has all levels of bytes.
    dtype = torch.float16 if pictures.dtype == torch.uint8 else torch.float32
    return pictures.to(dtype).add_(poison.to(dtype)[:, None, None, None])


def _samples(device: torch.device) -> list[tuple[Tensor, Tensor]]:
    pictures = torch.randint(0, 256, (4, 3, 480, 640), dtype=torch.uint8, device=device)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    return [(one, torch.zeros(4, device=device)) for one in (pictures, pictures.float())]


POISONED = Twin(
    "poisoned",
    _poisoned_by_torch,
    kernel_of("inference_service.filters.vision.kernels.floating", "poisoned"),
    _samples,
)
