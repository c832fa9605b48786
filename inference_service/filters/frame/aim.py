"""Which part of a picture shows its people well, and how the view gets there without hurry.

faces ── heads with room ── of the last glances ── wanted view ── goal, if it differs enough ── view

A view is (..., 3) float32: x and y of its middle in heights of the picture, and the logarithm of its
magnification. All of it is computed on the device, and nobody waits for it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from inference_service.filters.vision.calm import Motion, approached, resting, steady_goal

HEAD_ROOM = (1.0, 1.2, 1.0, 1.1)
"""What a head needs left of, above, right of and below its face's middle, in sides of the face's box."""
WIDEST, CLOSEST = 2.4, 1.05
"""Height of the view against that of the head with its room, at a closeness of 0 and of 1."""
CENTRED = 0.72
"""A view is made smaller, down to so much, where that brings somebody into its middle."""
HEAD_PLACE = 0.46
"""Where in the view's height the middle of the heads is."""
GLANCES = 3
"""For so many a face that is missed stays in view, and so does a place that somebody has left."""
SLACK = (0.07, 0.07, 0.13)
"""What a wanted view may differ by before it becomes the goal: heights of the view, and logarithm."""
QUICKEST, SLOWEST = 8.0, 0.9
"""Rate of the spring at a calm of 0 and of 1, in 1/s."""
HURRY = 1.5
"""How much the rate rises where a head is a tenth of the view's height out of it."""
ABSENCE_S = 2.0
"""After so long without anybody the goal is the whole picture."""


class Wish(NamedTuple):
    """What N sessions want, (N,) float32 each."""

    closeness: Tensor
    most_zoom: Tensor
    rate: Tensor


class Aim(NamedTuple):
    """What is known of N cameras, float32; the rows of one camera are kept in its state."""

    motion: Motion
    """Of (N, 3) views."""
    goal: Tensor
    """(N, 3)."""
    heads: Tensor
    """(N, GLANCES, 4): what held all heads at the last glances, newest first: left, top, right, bottom in
    heights of the picture; not finite where nobody was seen."""
    absent_s: Tensor
    """(N,): how long nobody has been seen."""


def rate(calm: float) -> float:
    """Return the spring's rate for a calm in 0..1."""
    return QUICKEST * math.pow(SLOWEST / QUICKEST, calm)


def heads_of(boxes: Tensor, is_real: Tensor, height: int) -> Tensor:
    """Return (N, 4), what holds all heads of faces (N, F, 4) in pixels; not finite where there are none."""
    boxes = boxes / height
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    side = (boxes[..., 2:] - boxes[..., :2]).amax(-1)
    left, above, right, below = HEAD_ROOM
    x, y = middle.unbind(-1)
    rooms = torch.stack((x - left * side, y - above * side, x + right * side, y + below * side), -1)
    near = torch.where(is_real[..., None], rooms[..., :2], torch.inf).amin(1)
    far = torch.where(is_real[..., None], rooms[..., 2:], -torch.inf).amax(1)
    return torch.cat((near, far), -1)


def begun(heads: Tensor, wish: Wish, aspect: float) -> Aim:
    """Return the aims of N new cameras, whose view is at once where it should be; `heads` (N, 4)."""
    past = torch.full_like(heads, torch.inf)
    past[:, 2:].neg_()
    known = torch.stack((heads, *(past,) * (GLANCES - 1)), 1)
    view = wanted(known, wish, aspect)
    return Aim(resting(view), view, known, torch.zeros_like(heads[:, 0]))


def glanced(aim: Aim, heads: Tensor, is_fresh: Tensor) -> Aim:
    """Return the aims that know of a new glance where there `is_fresh` (N,) one."""
    newest = torch.cat((heads[:, None], aim.heads[:, :-1]), 1)
    return aim._replace(heads=torch.where(is_fresh[:, None, None], newest, aim.heads))


def moved(aim: Aim, wish: Wish, aspect: float, passed_s: Tensor) -> Aim:
    """Return the aims `passed_s` (N,) later; `aspect` is width against height of the picture."""
    is_seen = aim.heads[..., 0].isfinite().any(1)
    absent_s = torch.where(is_seen, 0, aim.absent_s + passed_s)
    view = wanted(aim.heads, wish, aspect)
    # Nobody is there: for a while the goal stays, then it is the whole picture, which `wanted` has returned.
    is_waiting = ~is_seen & (absent_s < ABSENCE_S)
    share = torch.exp(-aim.goal[:, 2:])
    slack = torch.cat((share * SLACK[0], share * SLACK[1], torch.full_like(share, SLACK[2])), 1)
    goal = torch.where(is_waiting[:, None], aim.goal, steady_goal(aim.goal, view, slack))
    out = _out_of_view(aim, aspect)
    hurry = 1 + HURRY * (out / 0.1).clamp(0, 1)
    motion = approached(aim.motion, goal, (wish.rate * hurry)[:, None], passed_s[:, None])
    return Aim(motion, goal, aim.heads, absent_s)


def wanted(heads: Tensor, wish: Wish, aspect: float) -> Tensor:
    """Return the view (N, 3) that shows all of `heads` (N, G, 4); of the whole picture where nobody is."""
    left, top = heads[..., :2].amin(1).unbind(-1)
    right, bottom = heads[..., 2:].amax(1).unbind(-1)
    is_seen = left.isfinite()
    left, top = (torch.where(is_seen, one, 0) for one in (left, top))
    right, bottom = torch.where(is_seen, right, aspect), torch.where(is_seen, bottom, 1)
    least = torch.maximum(bottom - top, (right - left) / aspect)
    loose = WIDEST * (CLOSEST / WIDEST) ** wish.closeness
    # Several people fill the view from the first: no more room than they need is left beside them.
    loose = (bottom - top) * loose
    x = (left + right) / 2
    centred = torch.minimum(x, aspect - x) * (2 / aspect)
    height = torch.minimum(loose.clamp(max=1), torch.maximum(centred, CENTRED * loose.clamp(max=1)))
    height = torch.maximum(height, torch.maximum(least * CLOSEST, 1 / wish.most_zoom))
    height = torch.where(is_seen, height, 1).clamp(1e-3, 1)
    y = (top + bottom) / 2 + (0.5 - HEAD_PLACE) * height
    x, y = inside(x, height * aspect, aspect), inside(y, height, 1.0)
    return torch.stack((x, y, -torch.log(height)), -1)


def inside(middle: Tensor, side: Tensor, whole: float) -> Tensor:
    """Return the middle of a part of length `side` moved so that it lies in 0..`whole`."""
    return torch.minimum(torch.maximum(middle, side / 2), whole - side / 2)


def shown(view: Tensor, aspect: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return x and y of the middle, and the height of a view, moved into the picture; heights of it."""
    height = torch.exp(-view[:, 2]).clamp(max=1)
    return inside(view[:, 0], height * aspect, aspect), inside(view[:, 1], height, 1.0), height


def _out_of_view(aim: Aim, aspect: float) -> Tensor:
    """Return (N,): how far the newest heads reach out of the view, in its heights; 0 where nobody is."""
    x, y, height = shown(aim.motion.at, aspect)
    half = height / 2
    left, top, right, bottom = aim.heads[:, 0].unbind(-1)
    # What lies outside of the picture cannot be shown.
    sides = (
        x - aspect * half - left.clamp(min=0),
        y - half - top.clamp(min=0),
        right.clamp(max=aspect) - x - aspect * half,
        bottom.clamp(max=1) - y - half,
    )
    return torch.where(left.isfinite(), torch.stack(sides).amax(0).clamp(min=0) / height, 0)
