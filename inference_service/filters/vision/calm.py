"""Numbers that follow a goal calmly: a critically damped spring, and a goal that ignores what is small.

Such a spring is the fastest that never swings past its goal. Its equation, x'' = w^2 (g - x) - 2 w x', is
solved exactly, so any time may pass between two frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FRAMES_PER_S = 30.0
"""What the `sequence` of frames counts, at most."""


class Motion(NamedTuple):
    """Numbers on their way, (..., C) float32 each."""

    at: Tensor
    speed: Tensor
    """In a second."""


def resting(at: Tensor) -> Motion:
    """Return numbers that stand still."""
    return Motion(at, torch.zeros_like(at))


def approached(motion: Motion, goal: Tensor, rate: Tensor, passed_s: Tensor) -> Motion:
    """Return where numbers are after `passed_s`; `rate` is the spring's w, in 1/s.

    After 2 / rate a number at rest has gone 59 % of its way, after 5 / rate 96 %. `goal` (..., C); the others
    of shapes that fit.
    """
    away = motion.at - goal
    push = motion.speed + rate * away
    left = torch.exp(-rate * passed_s)
    return Motion(goal + (away + push * passed_s) * left, (motion.speed - rate * push * passed_s) * left)


def steady_goal(goal: Tensor, wanted: Tensor, slack: Tensor) -> Tensor:
    """Return `goal` (..., C), or `wanted` where one of its numbers differs by more than `slack`."""
    is_far = ((wanted - goal).abs() > slack).any(-1, keepdim=True)
    return torch.where(is_far, wanted, goal)
