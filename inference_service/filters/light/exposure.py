"""How much light a picture lacks: by the face that is nearest, else by its middle; and without ever pumping.

luma, small ── level of the face ── wanted need ── goal, if it differs enough ── need

Levels are luma in 0..1 as cameras deliver it, gamma included. Where even the brightest place is dark, all of
the picture is multiplied, as a longer exposure would do. What is still lacking then is added by a power below
1, which lifts shadows and leaves white where it is. A need is (..., 2): the logarithm of that factor, and the
power less 1. Nothing is needed where both are 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.vision.calm import Motion, approached, resting, steady_goal

FACE_TARGET, SCENE_TARGET = 0.46, 0.40
"""The level that a face, or the middle of a picture without one, is brought to; brighter ones stay."""
WHITE, BRIGHTEST = 0.92, 0.98
"""The level that a factor brings the brightest places to: such that this share of a picture is darker."""
TOE = 0.05
"""Added to levels, so that the gain of black is finite: there is nothing but noise."""
LEAST_LEVEL = 0.02
"""A face below is taken to have this level. A picture below is black: a covered lens says nothing."""
FACE_CORE = 0.75
"""The part of a face's box, in each direction, whose level counts: no hair, no room."""
SLACK = 0.05
"""What the wanted need may differ from the goal before it becomes the goal."""
RATE = 2.0
"""Of the spring that moves the need, in 1/s."""
ABSENCE_S = 3.0
"""So long after its last face a picture's goal stays what it was."""


class Wanted(NamedTuple):
    """What N pictures need."""

    need: Tensor
    """(N, 2) float32."""
    has_face: Tensor
    """(N, 1) bool: by a face."""
    is_black: Tensor
    """(N, 1) bool: it cannot be told, and is 0."""


class Exposure(NamedTuple):
    """What is known of N cameras, float32; the rows of one camera are kept in its state."""

    motion: Motion
    """Of needs (N, 2)."""
    goal: Tensor
    """(N, 2)."""
    absent_s: Tensor
    """(N, 1): how long no face has been seen; infinite where none ever was."""


def wanted(luma: Tensor, boxes: Tensor, is_real: Tensor, strength: Tensor) -> Wanted:
    """Return what pictures need.

    `luma` (N, 1, h, w) 0..1, small; `boxes` (N, F, 4) in its pixels, of which `is_real` (N, F) count;
    `strength` (N, 1) 0..1.
    """
    sides = (boxes[..., 2:] - boxes[..., :2]).amin(-1) * is_real
    largest = boxes.gather(1, sides.argmax(1)[:, None, None].expand(-1, 1, 4))[:, 0]
    has_face = is_real.any(1, keepdim=True)
    height, width = luma.shape[-2:]
    rows = torch.where(has_face, _within(height, largest[:, 1::2]), _about_middle(height, luma))
    columns = torch.where(has_face, _within(width, largest[:, ::2]), _about_middle(width, luma))
    total = rows.sum(1) * columns.sum(1)
    level = torch.bmm(torch.bmm(rows[:, None], luma[:, 0]), columns[..., None])[:, :, 0] / total[:, None]
    target = torch.where(has_face, FACE_TARGET, SCENE_TARGET)
    level = level.clamp(min=LEAST_LEVEL, max=1)
    places = luma.flatten(1)
    white = _nth(places, int(BRIGHTEST * (places.shape[1] - 1)))
    lack = strength * torch.log(target / level).clamp(min=0)
    factor = torch.minimum(lack, torch.log(WHITE / white.clamp(min=LEAST_LEVEL)).clamp(min=0))
    # The rest is lacking at the level that the factor brings the face to.
    lifted = level * torch.exp(factor)
    power = (factor - lack) / -torch.log((lifted + TOE) / (1 + TOE)).clamp(max=-1e-3)
    is_black = places.mean(1, keepdim=True) < LEAST_LEVEL
    return Wanted(torch.where(is_black, 0, torch.cat((factor, power), 1)), has_face, is_black)


def begun(now: Wanted) -> Exposure:
    """Return the exposure of N new cameras, which is at once what it should be."""
    return Exposure(resting(now.need), now.need, torch.where(now.has_face, 0.0, torch.inf))


def moved(last: Exposure, now: Wanted, passed_s: Tensor) -> Exposure:
    """Return the exposure `passed_s` (N, 1) later."""
    absent_s = torch.where(now.has_face, 0.0, last.absent_s + passed_s)
    is_waiting = now.is_black | (~now.has_face & (absent_s < ABSENCE_S))
    goal = steady_goal(last.goal, now.need, torch.full_like(now.need, SLACK))
    goal = torch.where(is_waiting, last.goal, goal)
    motion = approached(last.motion, goal, torch.full_like(passed_s, RATE), passed_s)
    return Exposure(motion, goal, absent_s)


def gain(level: Tensor, need: Tensor, most: Tensor) -> Tensor:
    """Return by how much luma is multiplied at `level` (N, 1, h, w): between 1 and `most` (N, 1, 1, 1)."""
    factor, power = (one[..., None, None] for one in need[:, None].unbind(2))
    factor = torch.exp(factor)
    lifted = (level * factor).clamp(0, 1)
    curve = ((lifted + TOE) * (1 / (1 + TOE))).pow(power)
    return torch.minimum(curve.mul_(factor), most).clamp(min=1)


def _within(count: int, ends: Tensor) -> Tensor:
    """Return (N, count): 1 for the pixels in the core of `ends` (N, 2), fading to 0 within one pixel."""
    middle, half = ends.mean(1, keepdim=True), (ends[:, 1:] - ends[:, :1]) * (FACE_CORE / 2)
    middle = middle.clamp(0, count)
    at = torch.arange(count, device=ends.device) + 0.5
    # Never nothing at all, whatever the box is.
    return (half.clamp(min=1) + 0.5 - (at - middle).abs()).clamp(0, 1) + 1e-6


def _nth(values: Tensor, number: int) -> Tensor:
    """Return (N, 1): the value of each row of (N, C) that so many others lie below, or are equal to."""
    if values.is_cpu:
        # A seventh of torch's time.
        return torch.from_numpy(np.partition(values.numpy(), number, 1)[:, number, None])
    return values.kthvalue(1 + number, dim=1, keepdim=True).values


def _about_middle(count: int, like: Tensor) -> Tensor:
    """Return (N, count): the weights of a picture's pixels in one direction, 1 in the middle."""
    at = (torch.arange(count, device=like.device) + 0.5) * (2 / count) - 1
    return torch.exp(-2 * at.square()).expand(len(like), -1)
