"""Faces taken from their pictures as upright sheets, made up, and put back; on a GPU by a recording."""

from __future__ import annotations

import torch
from torch import Tensor

from inference_service.filters.makeup.areas import REACH, SIDE, Finder
from inference_service.filters.makeup.paint import WISHES, changes, wish_of
from inference_service.filters.vision.networks.people.cutting import Cutter
from inference_service.filters.vision.networks.people.face_mesh import POINTS
from inference_service.filters.vision.networks.people.recordable import Steps, floats
from inference_service.filters.vision.people import sheets
from inference_service.filters.vision.people.following import Followed


class Painter:
    """Makes faces up, on one device."""

    def __init__(self, device: torch.device) -> None:
        self._finder = Finder(device)
        self._cut = Cutter(device, SIDE)
        rows = floats(3, SIDE, SIDE), floats(POINTS, 3), floats(4), floats(), floats(WISHES)
        self._changed = Steps(device, self._changes, *rows, is_lent=True)

    def made_up(self, batch: Tensor, seen: Followed, rows: Tensor) -> Tensor:
        """Return pictures whose faces, as they were `seen`, have what `rows` (N, WISHES) say.

        uint8 on a CPU, where `batch` may be overwritten and is returned where nobody is seen.
        """
        n, places = seen.presence.shape
        owners = torch.arange(n, device=batch.device)[:, None].expand(n, places)
        wishes = rows[:, None].expand(n, places, -1)
        parts = seen.points, seen.regions, seen.presence, owners, wishes
        if batch.is_cpu:
            is_seen = seen.presence > 0
            if not is_seen.any():
                return batch
            points, where, presence, owners, wishes = (one[is_seen] for one in parts)
        else:
            points, where, presence, owners, wishes = (one.flatten(0, 1) for one in parts)
        where = torch.cat((where[:, :2], where[:, 2:3] * REACH, where[:, 3:]), 1)
        if batch.is_cpu:
            (changed,) = self._changes(
                sheets.taken(batch, where, owners, SIDE), points, where, presence, wishes
            )
            return sheets.added(batch, changed, where, owners)
        cut = self._cut(batch, where, owners).mul_(1 / 255)
        (changed,) = self._changed(cut, points, where, presence, wishes)
        return sheets.added_on_device(batch, changed, where)

    def _changes(
        self, cut: Tensor, points: Tensor, where: Tensor, presence: Tensor, wishes: Tensor
    ) -> tuple[Tensor]:
        own = self._finder.areas(sheets.to_sheets(points[..., :2], where, SIDE))
        return (changes(cut, own, wish_of(wishes)) * presence[:, None, None, None],)
