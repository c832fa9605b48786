"""Covers that follow heads from frame to frame, and stay for a while where one is not found.

All on the device and in fixed shapes: a cover is a row of COLUMNS float32, pixels and frames its units.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.people.heads import Heads

X, Y, RADIUS, AXIS_X, AXIS_Y, TURN, NOD, MOUTH, SPEED_X, SPEED_Y, AGE, IS_THERE = range(12)
"""TURN, NOD and MOUTH are those of `Heads.mimic`."""
COLUMNS = 12
HOLD_FRAMES = 15
"""Half a second of a camera's 30 frames."""
SHRINKING = 0.4
"""Share of the way that a cover goes per frame to a head that is smaller; to a larger one it goes at once."""
TURNING = 0.6
SPEEDING = 0.6
CLAIM = 0.5
"""A cover goes on beside a head that is farther away than this share of the larger one's radius."""
LEAD = 0.5
"""Most that a cover moves per frame by itself, against its radius."""


class Kept(NamedTuple):
    """The covers of N pictures after a frame."""

    covers: Tensor
    """(N, M, COLUMNS), those of this frame first."""
    has_overflown: Tensor
    """(N,) bool: there are more than M."""


def follow(heads: Heads, is_real: Tensor, before: Tensor, elapsed: Tensor) -> Kept:
    """Return the covers of a frame in which `heads` (N, K) were found, where `is_real` (N, K).

    `before` (N, M, COLUMNS): those of the last frame, `elapsed` (N,) float32 frames ago. A cover near which
    no head was found goes on as it moved, until it is older than HOLD_FRAMES.
    """
    old = _moved(before, elapsed)
    is_old = old[..., IS_THERE] > 0
    away = torch.linalg.vector_norm(heads.centre[:, :, None] - old[:, None, :, :2], dim=-1)
    gate = torch.maximum(heads.radius[:, :, None], old[:, None, :, RADIUS])
    away = torch.where(is_real[:, :, None] & is_old[:, None] & (away <= gate), away, torch.inf)
    nearest, place = away.min(dim=2)
    has_match = nearest.isfinite()
    partner = before.gather(1, place[..., None].expand(-1, -1, COLUMNS))
    new = _new(heads, is_real, partner, has_match, elapsed)
    # A mesh that has slipped off a hidden face must not take the cover along.
    is_claimed = (away <= CLAIM * gate).any(dim=1)
    old = torch.cat((old[..., :IS_THERE], (is_old & ~is_claimed)[..., None].to(old.dtype)), dim=-1)
    rows = torch.cat((new, old), dim=1)
    order = (rows[..., IS_THERE] * (2 * HOLD_FRAMES - rows[..., AGE])).topk(before.shape[1], dim=1).indices
    covers = rows.gather(1, order[..., None].expand(-1, -1, COLUMNS))
    return Kept(covers, (rows[..., IS_THERE] > 0).sum(dim=1) > before.shape[1])


def _moved(covers: Tensor, elapsed: Tensor) -> Tensor:
    """Return covers as they would be now; the too old are there no more."""
    frames = elapsed[:, None, None]
    age = covers[..., AGE : AGE + 1] + frames
    is_there = covers[..., IS_THERE:] * (age <= HOLD_FRAMES)
    centre = covers[..., :2] + covers[..., SPEED_X : SPEED_Y + 1] * frames.clamp(max=HOLD_FRAMES)
    return torch.cat((centre, covers[..., RADIUS:AGE], age, is_there), dim=-1)


def _new(heads: Heads, is_real: Tensor, partner: Tensor, has_match: Tensor, elapsed: Tensor) -> Tensor:
    """Return the covers of heads, steadied by their `partner` (N, K, COLUMNS) of the frame before."""
    matched = has_match[..., None]
    radius = heads.radius[..., None]
    speed = (heads.centre - partner[..., :2]) / elapsed.clamp(min=1)[:, None, None]
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
            torch.where(matched, slow, radius),
            torch.where(matched, axis, heads.axis),
            torch.where(matched, mimic, heads.mimic),
            torch.where(matched, speed, 0),
            torch.zeros_like(radius),
            there,
        ),
        dim=-1,
    )
    return torch.where(there > 0, rows, 0)
