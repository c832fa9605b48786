"""Pictures that a network's broken answer must not reach."""

from __future__ import annotations

from torch import Tensor


def poisoned(pictures: Tensor, poison: Tensor) -> Tensor:
    """Return (N, 3, H, W) pictures, all of one NaN where its `poison` (N,) is not finite; else that is 0.

    float32; but on a CPU the pictures as they are where all is well. Looking costs nothing there, and the
    worker has no numbers to look through. A GPU is not waited for.
    """
    if pictures.is_cpu and bool(poison.isfinite().all()):
        return pictures
    return pictures.float() + poison.float()[:, None, None, None]
