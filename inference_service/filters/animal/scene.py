"""What is drawn on each head of a batch: cards, muzzle and light, as tensors on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from inference_service.filters.animal.cards import Cards, Placed
from inference_service.filters.animal.layers import Layers, layers
from inference_service.filters.animal.light import Light, Lights, keep, lights_before, steady
from inference_service.filters.animal.muzzle import Maps, Muzzle
from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people.face_mesh import POINTS
from inference_service.filters.vision.networks.people.recordable import Steps, flags, floats
from inference_service.filters.vision.people.following import Followed
from inference_service.filters.vision.people.head_pose import PoseFitter

SHADOW_DOWN_CM, SHADOW_ASIDE_CM = 0.9, 2.4
"""How far the shadow of an ear lies below it, and away from light that comes from aside."""
MOST_ROWS = 32
"""Heads whose places are recorded together on a GPU: those of eight cameras."""


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
    layers: Layers | None
    """Elsewhere than on a CPU."""


class Stage:
    """The parts that know the face model, on one device."""

    def __init__(self, device: torch.device) -> None:
        """Load the face model. Raises WeightsError if its file is not the one of this version."""
        self.has_every_place = device.type != "cpu"
        """Whether a scene has every place of every picture, so that nothing is asked of the device."""
        self._fitter, self._cards = PoseFitter(device), Cards(device)
        self._lights, self._muzzle = Lights(device), Muzzle(device)
        skin = self._lights.points
        rows = (floats(POINTS, 3), floats(skin, 3), flags(skin), floats(3), floats(6), floats(5))
        self._arrange = Steps(device, self._arranged, *rows, most=MOST_ROWS, is_lent=True)

    def scene(self, batch: Tensor, seen: Followed, items: Sequence[Item], wishes: Tensor) -> Scene | None:
        """Return the heads in (N, 3, H, W) uint8 pictures, and keep their `light` in the sessions' states.

        `wishes` (N, 3): which animal, the size of its ears, how much fur. None where nobody is, on a CPU. The
        next call may write over what a scene has.
        """
        n, places = seen.presence.shape
        is_seen, is_sane = seen.presence > 0, seen.poison.isfinite()
        if not (self.has_every_place or is_seen.any()):
            return None
        owners = torch.arange(n, device=batch.device)[:, None].expand(n, places)
        before = lights_before(items, places, batch.device)
        sane = is_sane.float()[:, None, None].expand(n, places, 1)
        facts = torch.cat((wishes[:, None].expand(n, places, -1), seen.presence[..., None], sane), -1)
        parts = (seen.points, owners, before, facts)
        points, owner, light, facts = (
            one.flatten(0, 1) if self.has_every_place else one[is_seen] for one in parts
        )
        arranged = self._arrange(points, *self._lights.sampled(batch, owner, points), light, facts)
        light = arranged[0]
        if self.has_every_place:
            # Nobody writes into it, so the sessions may share it.
            light = light.clone().view_as(before)
        else:
            light = torch.zeros_like(before).masked_scatter_(is_seen[..., None], light)
            light = torch.where(is_sane[:, None, None], light, before)
        keep(light, items)
        rest: Any = iter(arranged[1:])
        return Scene(
            owner,
            Placed(*islice(rest, len(Placed._fields))),
            Maps(*islice(rest, len(Maps._fields))),
            Light(*islice(rest, len(Light._fields))),
            *(next(rest), next(rest), next(rest), next(rest)),
            Layers(*rest) if self.has_every_place else None,
        )

    def _arranged(
        self, points: Tensor, colours: Tensor, is_inside: Tensor, whole: Tensor, before: Tensor, facts: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the light to keep, and the parts of a scene one after the other; `facts` as in `scene`."""
        kinds, ears, fur, presence, is_sane = facts.unbind(1)
        kinds = kinds.long()
        poses = self._fitter.fit(points)
        kept = steady(
            self._lights.of(colours, is_inside, whole, poses.rotation), before, presence > 0, is_sane
        )
        light = Light(kept[:, :3], kept[:, 3:])
        cards = self._cards.place(poses, points, kinds, ears)
        lean = torch.stack(
            ((cards.across * light.lean[:, None]).sum(-1), (cards.down * light.lean[:, None]).sum(-1)), -1
        )
        turn = poses.rotation
        muzzle_lean = torch.stack(
            ((turn[:, :, 0] * light.lean).sum(-1), -(turn[:, :, 1] * light.lean).sum(-1)), -1
        )
        down = torch.full_like(light.lean[:, :1], SHADOW_DOWN_CM)
        shift = torch.cat((torch.zeros_like(down), down), 1) - SHADOW_ASIDE_CM * light.lean[:, :2]
        shift = shift * poses.scale[:, None]
        muzzle = self._muzzle.maps(points)
        parts = (kept, *cards, *muzzle, *light, lean, muzzle_lean, shift, presence)
        if not self.has_every_place:
            return parts
        return *parts, *layers(cards, light, lean, muzzle_lean, shift, presence, fur)
