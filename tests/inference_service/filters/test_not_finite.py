"""What is no number becomes no index: a GPU's process does not outlive one that is out of bounds.

So a network in half precision whose numbers leave it would end its worker, instead of being loaded in single.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from harness.launches import loaded
from harness.one_batch import run
from harness.photograph import read_astronaut
from harness.pretended_gpu import CUDA, pretended_gpu
from inference_service.filters.animal.light import Lights
from inference_service.filters.animal.muzzle import Muzzle
from inference_service.filters.base import Item
from inference_service.filters.vision.draw.polygons import filled
from inference_service.filters.vision.networks.people.body_points import refined
from inference_service.filters.vision.networks.people.face_mesh import POINTS
from inference_service.filters.vision.networks.people.network import Network

CPU = torch.device("cpu")
ODD = pytest.mark.parametrize("odd", [torch.nan, torch.inf, -torch.inf, 1e30])


@ODD
def test_points_of_a_body(odd: float) -> None:
    points, heatmap = torch.full((2, 3, 2), odd), torch.zeros(2, 3, 8, 8)
    points[1] = 0.5
    made = refined(points, heatmap)
    assert torch.equal(made[0], points[0]) or made[0].isnan().all()
    torch.testing.assert_close(made[1], refined(points[1:], heatmap[1:])[0])


@ODD
def test_corners_of_polygons(odd: float) -> None:
    square = torch.tensor([[1.0, 1.0], [1.0, 3.0], [3.0, 3.0], [3.0, 1.0]])
    starts, layers = square.repeat(2, 1, 1), torch.zeros(4, dtype=torch.int64)
    starts[0, :, 0] = odd
    made = filled(starts, starts.roll(-1, 1), layers, 1, (4, 4))
    assert made[1].sum() == 4


@ODD
def test_points_of_a_face(odd: float) -> None:
    points, owners = torch.full((2, POINTS, 3), odd), torch.zeros(2, dtype=torch.int64)
    points[1] = torch.rand(POINTS, 3) * 30
    pictures = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    colours, is_inside, _ = Lights(CPU).sampled(pictures, owners, points)
    assert colours.shape[0] == 2
    assert not is_inside[0].any()
    assert is_inside[1].all()
    maps, alone = Muzzle(CPU).maps(points), Muzzle(CPU).maps(points[1:])
    torch.testing.assert_close([one[1] for one in maps], [one[0] for one in alone])


@pytest.mark.slow
@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["pose", "face", "makeup", "animal", "light", "frame", "background"])
def test_networks_of_a_filter_on_a_gpu(name: str, odd: float, monkeypatch: pytest.MonkeyPatch) -> None:
    planes = cv2.cvtColor(read_astronaut((160, 120)), cv2.COLOR_RGB2YUV_I420).astype(np.uint8)
    is_odd, calls = [False], [0]
    whole: Any = Network._run

    def answered(self: Network, batch: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = whole(self, batch)
        calls[0] += is_odd[0]
        return tuple(torch.full_like(one, odd) for one in outputs) if is_odd[0] else outputs

    monkeypatch.setattr(Network, "_run", answered)
    with pretended_gpu():
        made = loaded(name, {"precision": "float32"})
        item = Item(bytes(16), 0, made.Params(), {})
        for sequence, is_odd[0] in enumerate((False, True, True, False)):
            run(made, planes, [Item(item.session, sequence, item.params, item.state)], CUDA)
    assert calls[0] > 0
