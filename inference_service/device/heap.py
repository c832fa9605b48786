"""The C library's heap, where a filter's pictures come from on a CPU."""

from __future__ import annotations

import torch

_KEPT_BYTES = 31 << 20
"""Just under the 32 MiB up to which glibc adapts (`mallopt(3)`, M_MMAP_THRESHOLD)."""


def keep_large_blocks() -> None:
    """Let the blocks of a frame be kept when they are freed.

    Once glibc has seen so large a block freed, it keeps those of a frame; else each frame's come fresh from
    the system, with a page fault every 4 KiB: a quarter of the time of a frame of `ink`.
    """
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)
