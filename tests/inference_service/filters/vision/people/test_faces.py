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


class Watching:
    """One session's faces."""

    def __init__(self) -> None:
        self.item = Item(bytes(16), 0, None)
        self._faces, self._least = Faces(CPU), torch.tensor([0.3])

    def looks(self, picture: Tensor) -> tuple[bool, int]:
        """Return whether the whole picture (1, 3, H, W) is searched, and how many covers it has then."""
        before = hiding.covers_of([self.item], CPU)
        sight = self._faces.see(picture, [self.item], self._least, before)
        hidden = hiding.hide(sight, [self.item], before, SIZE[::-1])
        self.item.sequence += 1
        return bool(sight.looked), int(hidden.covers[0, :, IS_THERE].sum())


def test_whoever_comes_in_before_a_camera_in_a_hand_is_looked_for_at_once() -> None:
    watching = Watching()
    swaying = [batched(one) for one in moving(read_astronaut(SIZE))]
    assert {covers for _, covers in map(watching.looks, swaying[:7])} == {1}
    left, top, right, bottom = FACES["hopper"]
    head = photograph("hopper")[0, :, top:bottom, left:right].permute(1, 2, 0).numpy()
    entered = swaying[7].clone(memory_format=torch.channels_last)
    entered[0, :, 300:420, 480:600] = torch.from_numpy(cv2.resize(head, (120, 120))).permute(2, 0, 1)
    assert watching.item.sequence - watching.item.state["looked"] < LOOK_EVERY
    assert watching.looks(entered) == (True, 2)


def test_a_change_before_a_wall_of_strong_contrast_is_looked_at_in_its_own_frame() -> None:
    watching = Watching()
    wall = np.kron(np.indices((15, 20)).sum(0) % 2, np.ones((32, 32))) * 100 + 75
    picture = batched(np.repeat(wall.astype(np.uint8)[..., None], 3, 2))
    changed = picture.clone(memory_format=torch.channels_last)
    changed[..., 224:288, 320:384] += 20
    assert [watching.looks(one)[0] for one in (picture, picture, changed)] == [True, False, True]


def batched(image_rgb: np.ndarray) -> Tensor:
    """Return (1, 3, H, W) uint8, channels last."""
    return torch.from_numpy(image_rgb).permute(2, 0, 1)[None]
