"""Covers that follow heads from frame to frame, and stay for a while where one is not found.

All on the device and in fixed shapes: a cover is a row of COLUMNS float32, pixels and frames its units.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.people.heads import Heads

X, Y, RADIUS, AXIS_X, AXIS_Y, TURN, NOD, MOUTH, SPEED_X, SPEED_Y, AGE, HAS_MASK, IS_THERE = range(13)
"""TURN, NOD and MOUTH are those of `Heads.mimic`; HAS_MASK: a mask may be drawn on it, see `_masked`."""
COLUMNS = 13
HOLD_FRAMES = 15
"""Half a second of a camera's 30 frames."""
SHRINKING = 0.4
"""Share of the way that a cover goes per frame to a head that is smaller; to a larger one it goes at once."""
TURNING = 0.6
SPEEDING = 0.6
CLAIM = 0.5
"""A cover goes on beside a head that is farther away than this share of the larger one's radius."""
BESIDE = 1.2
"""Two heads nearer than this share of the larger one's radius may be one person's."""
LEAD = 0.5
"""Most that a cover moves per frame by itself, against its radius."""


class Kept(NamedTuple):
    """The covers of N pictures after a frame."""

    covers: Tensor
    """(N, M, COLUMNS), those of this frame first."""
    has_overflown: Tensor
    """(N,) bool: there are more than M."""


def follow(heads: Heads, is_real: Tensor, before: Tensor, elapsed: Tensor, known: int = 0) -> Kept:
    """Return the covers of a frame in which `heads` (N, K) were found, where `is_real` (N, K).

    `before` (N, M, COLUMNS): those of the last frame, `elapsed` (N,) float32 frames ago. A cover near which
    no head was found goes on as it moved, until it is older than HOLD_FRAMES. The first `known` heads are
    certain, since a mesh follows each.
    """
    old = _moved(before, elapsed)
    is_old = old[..., IS_THERE] > 0
    away = torch.linalg.vector_norm(heads.centre[:, :, None] - old[:, None, :, :2], dim=-1)
    gate = torch.maximum(heads.radius[:, :, None], old[:, None, :, RADIUS])
    away = torch.where(is_real[:, :, None] & is_old[:, None] & (away <= gate), away, torch.inf)
    nearest, place = away.min(dim=2)
    has_match = nearest.isfinite()
    partner = before.gather(1, place[..., None].expand(-1, -1, COLUMNS))
    # What is found beside a face is no move of that face.
    numbers = torch.arange(is_real.shape[1], device=before.device)
    is_mutual = has_match & (away.argmin(dim=1).gather(1, place) == numbers)
    is_near = away <= CLAIM * gate
    # A mesh that has slipped off a hidden face must not take the cover along.
    is_old = is_old & ~is_near.any(dim=1)
    keeps = is_mutual & is_near.gather(2, place[..., None])[..., 0] & (partner[..., HAS_MASK] > 0)
    is_certain = is_real & (numbers < known)
    handed = is_mutual & (is_certain | keeps)
    is_handed_on = (handed[..., None] & (away == nearest[..., None])).any(dim=1)
    has_old_mask = is_old & (old[..., HAS_MASK] > 0) & ~is_handed_on
    has_mask = _masked(heads, is_real, is_certain, keeps) & (
        is_certain | keeps | ~(away.isfinite() & has_old_mask[:, None]).any(dim=2)
    )
    new = _new(heads, is_real, partner, has_match, is_mutual, has_mask, elapsed)
    flags = torch.stack((has_old_mask, is_old), dim=-1).to(old.dtype)
    old = torch.cat((old[..., :HAS_MASK], flags), dim=-1)
    rows = torch.cat((new, old), dim=1)
    order = (rows[..., IS_THERE] * (2 * HOLD_FRAMES - rows[..., AGE])).topk(before.shape[1], dim=1).indices
    covers = rows.gather(1, order[..., None].expand(-1, -1, COLUMNS))
    return Kept(covers, (rows[..., IS_THERE] > 0).sum(dim=1) > before.shape[1])


def _masked(heads: Heads, is_real: Tensor, is_certain: Tensor, keeps: Tensor) -> Tensor:
    """Return (N, K) bool: which heads have a mask of their own; what is beside them is covered without one.

    A finder may take a collar below a face for one more face. So of heads that lie beside each other those
    have a mask that are certain; else those that had one before, which they `keeps`; else the best one. Two
    faces that both had one before keep it.
    """
    apart = torch.linalg.vector_norm(heads.centre[:, :, None] - heads.centre[:, None], dim=-1)
    reach = BESIDE * torch.maximum(heads.radius[:, :, None], heads.radius[:, None])
    is_earlier = torch.ones_like(apart[0], dtype=torch.bool).tril(-1)
    both_keep = keeps[:, :, None] & keeps[:, None]
    is_as_good = keeps[:, None] == keeps[:, :, None]
    is_better = torch.where(
        is_certain[:, None], ~both_keep, torch.where(is_as_good, is_earlier, keeps[:, None])
    )
    is_beside_better = (apart <= reach) & is_real[:, None] & is_better
    has_mask: Tensor = is_real & (is_certain | ~is_beside_better.any(dim=2))
    return has_mask


def _moved(covers: Tensor, elapsed: Tensor) -> Tensor:
    """Return covers as they would be now; the too old are there no more."""
    frames = elapsed[:, None, None]
    age = covers[..., AGE : AGE + 1] + frames
    is_there = covers[..., IS_THERE:] * (age <= HOLD_FRAMES)
    centre = covers[..., :2] + covers[..., SPEED_X : SPEED_Y + 1] * frames.clamp(max=HOLD_FRAMES)
    return torch.cat((centre, covers[..., RADIUS:AGE], age, covers[..., HAS_MASK:IS_THERE], is_there), dim=-1)


def _new(
    heads: Heads,
    is_real: Tensor,
    partner: Tensor,
    has_match: Tensor,
    is_mutual: Tensor,
    has_mask: Tensor,
    elapsed: Tensor,
) -> Tensor:
    """Return the covers of heads, steadied by their `partner` (N, K, COLUMNS) of the frame before.

    One that is nearer to another head says nothing of how this one moves and turns.
    """
    matched = is_mutual[..., None]
    radius = heads.radius[..., None]
    frames = elapsed[:, None, None] + partner[..., AGE : AGE + 1]
    speed = (heads.centre - partner[..., :2]) / frames.clamp(min=1)
    speed = torch.lerp(partner[..., SPEED_X : SPEED_Y + 1], speed, SPEEDING)
    fastest = torch.linalg.vector_norm(speed, dim=-1, keepdim=True).clamp(min=1e-3)
    speed = speed * (LEAD * radius / fastest).clamp(max=1)
    slow = torch.maximum(radius, torch.lerp(partner[..., RADIUS : RADIUS + 1], radius, SHRINKING))
    axis = torch.lerp(partner[..., AXIS_X : AXIS_Y + 1], heads.axis, TURNING)
    axis = axis / torch.linalg.vector_norm(axis, dim=-1, keepdim=True).clamp(min=1e-3)
    mimic = torch.lerp(partner[..., TURN : MOUTH + 1], heads.mimic, TURNING)
    there = is_real[..., None].to(radius.dtype)
    rows = torch.cat(
        (
            heads.centre,
            torch.where(has_match[..., None], slow, radius),
            torch.where(matched, axis, heads.axis),
            torch.where(matched, mimic, heads.mimic),
            torch.where(matched, speed, 0),
            torch.zeros_like(radius),
            has_mask[..., None].to(radius.dtype),
            there,
        ),
        dim=-1,
    )
    return torch.where(there > 0, rows, 0)
