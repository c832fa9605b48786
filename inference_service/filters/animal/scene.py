"""What is drawn on each head of a batch: cards, muzzle and light, as tensors on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference_service.filters.animal.cards import Cards, Placed
from inference_service.filters.animal.light import Light, Lights, steadied
from inference_service.filters.animal.muzzle import Maps, Muzzle
from inference_service.filters.base import Item
from inference_service.filters.vision.people.following import Followed
from inference_service.filters.vision.people.head_pose import PoseFitter

SHADOW_DOWN_CM, SHADOW_ASIDE_CM = 0.9, 2.4
"""How far the shadow of an ear lies below it, and away from light that comes from aside."""


@dataclass(frozen=True, slots=True)
class Scene:
    """K heads; on a CPU those that are seen, elsewhere all places of all pictures."""

    owners: Tensor
    """(K,) int64: the picture of each."""
    cards: Placed
    muzzle: Maps
    light: Light
    lean: Tensor
    """(K, CARDS, 2): light along u and v of each card."""
    muzzle_lean: Tensor
    """(K, 2)."""
    shadow_shift: Tensor
    """(K, 2) pixels."""
    presence: Tensor
    """(K,)."""


class Stage:
    """The parts that know the face model, on one device."""

    def __init__(self, device: torch.device) -> None:
        """Load the face model. Raises WeightsError if its file is not the one of this version."""
        self.has_every_place = device.type != "cpu"
        """Whether a scene has every place of every picture, so that nothing is asked of the device."""
        self._fitter, self._cards = PoseFitter(device), Cards(device)
        self._lights, self._muzzle = Lights(device), Muzzle(device)

    def scene(
        self, batch: Tensor, seen: Followed, items: Sequence[Item], kinds: Tensor, ears: Tensor
    ) -> Scene | None:
        """Return the heads in (N, 3, H, W) uint8 pictures, and keep their `light` in the sessions' states.

        `kinds` (N,) int64 are animals, `ears` (N,) sizes. None where nobody is seen, on a CPU.
        """
        n, places = seen.presence.shape
        owners = torch.arange(n, device=batch.device)[:, None].expand(n, places)
        is_seen = seen.presence > 0
        if self.has_every_place:
            points, owner, presence = (one.flatten(0, 1) for one in (seen.points, owners, seen.presence))
        elif is_seen.any():
            points, owner, presence = (one[is_seen] for one in (seen.points, owners, seen.presence))
        else:
            return None
        poses = self._fitter.fit(points)
        found = self._lights.find(batch, owner, points, poses)
        light = steadied(found, is_seen, seen.poison.isfinite(), items)
        cards = self._cards.place(poses, points, kinds[owner], ears[owner])
        lean = torch.stack(
            ((cards.across * light.lean[:, None]).sum(-1), (cards.down * light.lean[:, None]).sum(-1)), -1
        )
        turn = poses.rotation
        muzzle_lean = torch.stack(
            ((turn[:, :, 0] * light.lean).sum(-1), -(turn[:, :, 1] * light.lean).sum(-1)), -1
        )
        down = torch.full_like(light.lean[:, :1], SHADOW_DOWN_CM)
        shift = torch.cat((torch.zeros_like(down), down), 1) - SHADOW_ASIDE_CM * light.lean[:, :2]
        return Scene(
            owner,
            cards,
            self._muzzle.maps(points),
            light,
            lean,
            muzzle_lean,
            shift * poses.scale[:, None],
            presence,
        )
