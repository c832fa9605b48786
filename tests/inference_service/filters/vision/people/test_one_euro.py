"""Points calmed over time: still ones stand, moving ones are followed."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.vision.people.one_euro import Steady, cutoff_hz, follow

FRAME_S = 1 / 30
SIDE = 400.0


def followed(points: Tensor, steadiness: float, frame_s: float = FRAME_S) -> Tensor:
    """Return (T, P, 2) of what the filter makes of (T, P, 2)."""
    last = Steady(points[0], torch.zeros_like(points[0]))
    made = [last.points]
    for new in points[1:]:
        last = follow(
            new, last, torch.tensor(SIDE), torch.tensor(frame_s), torch.tensor(cutoff_hz(steadiness))
        )
        made.append(last.points)
    return torch.stack(made)


def trembling() -> Tensor:
    return 100 + torch.randn(120, 8, 2, generator=torch.Generator().manual_seed(0))


def moving() -> Tensor:
    """Points that set out after ten frames, at a side in a second."""
    way = (torch.arange(40) - 10).clamp(min=0) * (SIDE * FRAME_S)
    return way[:, None, None].expand(-1, 1, 2)


def test_a_still_point_trembles_less_the_steadier() -> None:
    left = [float(followed(trembling(), one)[30:].std(0).mean()) for one in (0.0, 0.5, 1.0)]
    assert left[0] > 0.9
    assert left[0] > 1.4 * left[1] > 1.4 * 1.2 * left[2]


def test_steadiness_0_changes_nothing() -> None:
    assert torch.allclose(followed(trembling(), 0.0), trembling())


def test_a_moving_point_is_followed_closely() -> None:
    points = moving()
    behind = (points - followed(points, 1.0))[25:].abs().max()
    assert behind < 2 * SIDE * FRAME_S


def test_longer_without_a_frame_the_new_point_counts_for_more() -> None:
    jump = torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]])
    assert followed(jump, 1.0, 0.3)[1, 0, 0] > 2 * followed(jump, 1.0, FRAME_S)[1, 0, 0]


def test_a_side_of_0_is_finite() -> None:
    rest = Steady(torch.zeros(1, 2), torch.zeros(1, 2))
    made = follow(torch.ones(1, 2), rest, torch.tensor(0.0), torch.tensor(FRAME_S), torch.tensor(1.0))
    assert made.points.isfinite().all()
