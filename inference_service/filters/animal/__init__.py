"""`animal`: drawn ears, nose, whiskers and fur of six animals, that follow head and mouth in space.

picture ── Follower ── mesh ── PoseFitter ── Cards (ears, nose, whiskers, tongue or teeth)
   │                    └────── Muzzle (fur on the mesh itself)
   └── Lights ── the drawings are lit as the face is ── drawn
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.animal.art.album import album
from inference_service.filters.animal.art.coats import Kind
from inference_service.filters.animal.cards import KINDS
from inference_service.filters.animal.draw import draw, heads_of
from inference_service.filters.animal.draw_device import Gallery, draw_on_device
from inference_service.filters.animal.scene import Scene, Stage
from inference_service.filters.base import Answer, Item
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.people.counting import with_count
from inference_service.filters.vision.people.following import Follower
from inference_service.filters.vision.poison import poisoned
from inference_service.filters.vision.rows import Rows
from inference_service.filters.vision.settings.own import OwnSettings


class Animal(OwnNetworks):
    """Follows faces (`vision.people.following`) and draws animals on them."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        animal: Kind = Field(default="cat", title="Animal", description="Whose ears, nose and fur are drawn.")
        ears: float = Field(
            default=1.0, ge=0.5, le=1.8, title="Ears", description="Their size, against their own."
        )
        fur: float = Field(
            default=1.0, ge=0.0, le=1.0, title="Fur", description="How much of it there is on nose and lip."
        )

    Settings = OwnSettings

    name: ClassVar[str] = "animal"
    title: ClassVar[str] = "Animals"
    description: ClassVar[str] = "Ears, nose, whiskers and fur of a cat, dog, fox, rabbit, bear or mouse."
    keeps_state: ClassVar[bool] = True
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self) -> None:
        self._follower: Follower | None = None
        self._stage: Stage | None = None
        self._gallery: Gallery | None = None
        self._rows: Any = None

    def load(self, device: torch.device) -> None:
        """Load the networks, and draw the animal that is chosen by default; on a GPU draw all of them.

        On a CPU another animal is drawn in the first frame that has it. Raises WeightsError if the networks'
        files are not those of this version.
        """
        self._rows = Rows(row, device)
        self._follower = Follower(device, dtype_of(self.settings.precision, device))
        self._stage = Stage(device)
        if device.type == "cpu":
            album(self.Params().animal)
        else:
            self._gallery = Gallery(device)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Answer:
        """Return (N, 3, H, W) pictures of uint8 RGB frames, uint8 on a CPU; see `Filter.apply`.

        All of a picture is NaN where a network's answer for it is not finite. Where a session wants data, it
        is told how many faces there are.
        """
        if self._follower is None or self._stage is None:
            raise RuntimeError("animal is not loaded")
        rows = self._rows.stack([item.params for item in items])
        with lap("network"):
            seen = self._follower.follow(batch, items)
        with lap("paint"):
            scene = self._stage.scene(batch, seen, items, rows)
            if scene is None:
                made = batch
            elif self._gallery is None:
                made = drawn(batch, scene, items)
            else:
                made = draw_on_device(batch, scene, rows[:, 0].long(), self._gallery)
        return with_count(poisoned(made, seen.poison), seen, items)


def drawn(batch: Tensor, scene: Scene, items: Sequence[Item]) -> Tensor:
    """Return the pictures on a CPU with what the scene has; `batch` may be overwritten."""
    pictures = batch.permute(0, 2, 3, 1).contiguous().numpy()
    owners = scene.owners.tolist()
    for owner, head in zip(owners, heads_of(scene, [items[one].params.fur for one in owners]), strict=True):
        draw(pictures[owner], head, album(items[owner].params.animal))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def row(params: Animal.Params) -> np.ndarray:
    """Return the animal's number, the size of its ears, and how much fur; float32."""
    return np.array((KINDS.index(params.animal), params.ears, params.fur), np.float32)
