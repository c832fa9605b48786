"""How visible a limb is: no more than what it hangs on."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.networks.people import body_topology

HANGS_ON = (
    {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}
    | dict.fromkeys(("pinky", "index", "thumb"), "wrist")
    | dict.fromkeys(("heel", "foot index"), "ankle")
)
"""A point is no more visible than this one before it: the network imagines hands outside of pictures."""
LONGEST_CHAIN = 3


def points_before() -> list[int]:
    """Return, for each point, the one it hangs on; itself where there is none."""
    names = body_topology.NAMES
    parts = [name.partition(" ") for name in names]
    return [
        names.index(f"{side} {HANGS_ON[part]}") if part in HANGS_ON else number
        for number, (side, _, part) in enumerate(parts)
    ]


def chained(visibility: Tensor, before: Tensor) -> Tensor:
    """Return visibility (..., 33), none above that of the one `before` it, by (33,) numbers."""
    for _ in range(LONGEST_CHAIN):
        visibility = torch.minimum(visibility, visibility[..., before])
    return visibility
