"""CUDA graphs with a torch for which a worker records none, since it cannot go on after a capture that fails.

What measures ends soon, and its machine may have no other torch. From 2.7 on replays are safe beside
a capture.
"""

from __future__ import annotations

import torch

from inference_service.filters.vision.networks import graphs

LEAST, WORKERS = (2, 7), graphs.LEAST_TORCH


def record_with_it() -> str:
    """Let this process record; returns what to say of it, nothing where a worker records too."""
    graphs.LEAST_TORCH = WORKERS
    if graphs.can_record():
        return ""
    graphs.LEAST_TORCH = LEAST
    if not graphs.can_record():
        return ""
    wanted = ".".join(map(str, WORKERS))
    return f"records CUDA graphs with torch {torch.__version__}, a worker with {wanted} or later"
