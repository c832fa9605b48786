"""Regions from frame to frame: the last points tell where to look, and finders only fill free places.

    regions, is_tracked ── join(found) ── mesh or body points ── keep(next regions, scores) ── regions,
    is_tracked

Pure functions on tensors of fixed shapes: N pictures with M places each. A person keeps their place.
"""

from __future__ import annotations

import torch
from torch import Tensor

SAME = 0.5
"""Overlap from which on a found region is one that is tracked: `min_similarity_threshold` of MediaPipe's
`AssociationNormRectCalculator` in its face mesh."""
LOST = 0.5
"""Score of a mesh or body below which it is lost: MediaPipe's threshold of both."""


def start(count: int, places: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return regions (N, M, 4) float32 and is_tracked (N, M) bool of `count` pictures with nobody."""
    return (
        torch.zeros(count, places, 4, device=device),
        torch.zeros(count, places, dtype=torch.bool, device=device),
    )


def join(
    regions: Tensor, is_tracked: Tensor, found: Tensor, is_found: Tensor, is_same: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return regions and is_tracked with those found that nobody tracks, in the free places, best first.

    `regions` (N, M, 4), `is_tracked` (N, M); `found` (N, F, 4), best first, of which only `is_found` (N, F)
    count. Tracked regions stay as they are; what finds no place is left out. `is_same` (N, F, M) says who is
    who; without it those whose squares overlap are.
    """
    is_same = _overlaps(found, regions) > SAME if is_same is None else is_same
    is_known = is_same & is_tracked[:, None]
    is_new = is_found & ~is_known.any(-1)
    free = ~is_tracked
    # The i-th new one goes to the i-th free place.
    place, number = free.cumsum(1), is_new.cumsum(1)
    takes = (place[:, :, None] == number[:, None]) & free[:, :, None] & is_new[:, None]
    taken = torch.bmm(takes.to(found.dtype), found)
    is_taken = takes.any(-1)
    return torch.where(is_taken[..., None], taken, regions), is_tracked | is_taken


def keep(
    regions: Tensor, is_tracked: Tensor, scores: Tensor, is_same: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the next frame's regions and is_tracked: those whose score is not below `LOST`.

    `regions` (N, M, 4) are those made of this frame's points, `scores` (N, M) of the same network. Of two
    places that have come upon the same person the later one is freed: by `is_same` (N, M, M), or where their
    squares overlap. A place that is free has a region of side 0.
    """
    is_same = _overlaps(regions, regions) > SAME if is_same is None else is_same
    stays = is_tracked & (scores >= LOST)
    places = regions.shape[1]
    is_earlier = torch.ones(places, places, dtype=torch.bool, device=regions.device).tril(-1)
    stays = stays & ~(is_same & is_earlier & stays[:, None]).any(-1)
    return regions * stays[..., None], stays


def _overlaps(one: Tensor, other: Tensor) -> Tensor:
    """Return (N, F, M) intersection over union of squares, as if none were turned; as MediaPipe does."""
    near = [(squares[..., :2] - squares[..., 2:3] / 2) for squares in (one, other)]
    far = [(squares[..., :2] + squares[..., 2:3] / 2) for squares in (one, other)]
    low = torch.maximum(near[0][:, :, None], near[1][:, None])
    high = torch.minimum(far[0][:, :, None], far[1][:, None])
    common = (high - low).clamp_(min=0).prod(-1)
    areas = one[..., 2].square()[:, :, None] + other[..., 2].square()[:, None]
    return common / (areas - common).clamp_(min=1e-9)
