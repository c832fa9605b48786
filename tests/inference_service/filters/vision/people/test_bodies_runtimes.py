"""Bodies by LiteRT and by torch, from frame to frame: a difference moves the place that is looked at next."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.photograph import Image, moving, read_astronaut, read_photo
from inference_service.filters.base import Item
from inference_service.filters.pose import Pose
from inference_service.filters.vision.networks.people import network
from inference_service.filters.vision.people.bodies import Bodies

pytest.importorskip("ai_edge_litert")

CPU = torch.device("cpu")
FRAMES = 8


@pytest.mark.slow
@pytest.mark.parametrize("photograph", [read_photo, read_astronaut])
def test_points_by_litert_stay_near_those_by_torch(monkeypatch: pytest.MonkeyPatch, photograph: Any) -> None:
    pictures = list(moving(photograph(), FRAMES))
    by_litert = followed(Bodies(CPU, torch.float32), pictures)
    monkeypatch.setattr(network, "made", lambda *of: None)
    by_torch = followed(Bodies(CPU, torch.float32), pictures)
    for number, ((one, is_seen, side), (other, *_)) in enumerate(zip(by_litert, by_torch, strict=True)):
        away = torch.linalg.vector_norm(one - other, dim=-1)[is_seen].max()
        assert is_seen.sum() >= 8
        # docs/networks.md, "On a CPU".
        assert away < (0.5 if number < 4 else 0.01 * side)


def followed(bodies: Bodies, pictures: list[Image]) -> list[tuple[torch.Tensor, torch.Tensor, float]]:
    """Return each frame's points (33, 2), which of them are seen, and the side of the body's square."""
    state: dict[str, Any] = {}
    found = []
    for number, picture in enumerate(pictures):
        batch = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]
        seen = bodies.see(
            batch, [Item(bytes(16), number, Pose.Params(), state)], torch.tensor([0.6]), torch.tensor([2.0])
        )
        assert (seen.scores > 0).sum() == 1
        side = float(state["bodies"].regions[0, 2])
        found.append((seen.points[0, 0].clone(), seen.visibility[0, 0] > 0.5, side))
    return found
