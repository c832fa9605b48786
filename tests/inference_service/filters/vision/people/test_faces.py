from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from harness.network_inputs import FACES, photograph
from harness.photograph import moving, read_astronaut
from inference_service.filters.base import Item
from inference_service.filters.vision.people import hiding
from inference_service.filters.vision.people.covers import IS_THERE
from inference_service.filters.vision.people.faces import LOOK_EVERY, Faces

CPU = torch.device("cpu")
SIZE = (640, 480)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_camera_in_a_hand_is_looked_at_now_and_then_and_whoever_comes_in_at_once() -> None:
    faces, item = Faces(CPU), Item(bytes(16), 0, None)
    least = torch.tensor([0.3])

    def looks(picture: Tensor) -> tuple[bool, int]:
        before = hiding.covers_of([item], CPU)
        sight = faces.see(picture, [item], least, before)
        hidden = hiding.hide(sight, [item], before, SIZE[::-1])
        item.sequence += 1
        return bool(sight.looked), int(hidden.covers[0, :, IS_THERE].sum())

    swaying = [batched(one) for one in moving(read_astronaut(SIZE))]
    seen = [looks(one) for one in swaying[:7]]
    assert 2 <= sum(looked for looked, _ in seen) <= 3
    assert {covers for _, covers in seen} == {1}
    left, top, right, bottom = FACES["hopper"]
    head = photograph("hopper")[0, :, top:bottom, left:right].permute(1, 2, 0).numpy()
    entered = swaying[7].clone(memory_format=torch.channels_last)
    entered[0, :, 300:420, 480:600] = torch.from_numpy(cv2.resize(head, (120, 120))).permute(2, 0, 1)
    assert item.sequence - item.state["looked"] < LOOK_EVERY
    assert looks(entered) == (True, 2)


def batched(image_rgb: np.ndarray) -> Tensor:
    """Return (1, 3, H, W) uint8, channels last."""
    return torch.from_numpy(image_rgb).permute(2, 0, 1)[None]
