"""Animals drawn on a batch of pictures on a GPU, in fixed shapes: as `draw.py` does it on a CPU.

Each card is drawn on all pictures at once, and is transparent where there is none.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.animal.art.album import album
from inference_service.filters.animal.art.brush import SIZES
from inference_service.filters.animal.cards import EARS, KINDS, SPRITES
from inference_service.filters.animal.draw import RELIEF, SHADOW, SHADOW_SIZE
from inference_service.filters.animal.scene import Scene

NAMES = ("ear", "muzzle", "mouth", "whiskers", "nose")
LINES = (600, 300, 0)
"""From so many lines of a picture on the first, second, third size of the drawings is taken."""
FAR = 9.0


class Gallery:
    """All drawings on one device."""

    def __init__(self, device: torch.device) -> None:
        self._sprites = [
            {name: _stacked(name, level).to(device) for name in NAMES} for level in range(len(LINES))
        ]

    def of(self, name: str, kinds: Tensor, lines: int) -> Tensor:
        """Return (N, 6, S, S) of animals (N,): paint and relief; S depends on the picture's `lines`."""
        level = next(level for level, least in enumerate(LINES) if lines >= least)
        return self._sprites[level][name][kinds]

    def shadow_of(self, kinds: Tensor) -> Tensor:
        """Return (N, 1, SHADOW_SIZE, SHADOW_SIZE): alpha of the ears, blurred."""
        alpha = self._sprites[SIZES.index(SHADOW_SIZE)]["ear"][kinds][:, 3:4]
        deviation = SHADOW_SIZE * 0.05
        reach = round(3 * deviation)
        steps = torch.arange(-reach, reach + 1, device=alpha.device, dtype=torch.float32)
        bell = torch.exp(-0.5 * (steps / deviation).square())
        bell = (bell / bell.sum()).view(1, 1, 1, -1)
        padded = nnf.pad(alpha, (reach,) * 4, mode="reflect")
        return nnf.conv2d(nnf.conv2d(padded, bell), bell.transpose(2, 3))


def draw_on_device(pictures: Tensor, scene: Scene, kinds: Tensor, fur: Tensor, gallery: Gallery) -> Tensor:
    """Return float32 (N, 3, H, W) of uint8 pictures with animals of `kinds` (N,) int64.

    `fur` (N,) is how much of the muzzles is seen. The scene has every place of every picture.
    """
    n, _, height, width = pictures.shape
    places = len(scene.presence) // n
    across = torch.arange(width, device=pictures.device, dtype=torch.float32) + 0.5
    down = (torch.arange(height, device=pictures.device, dtype=torch.float32) + 0.5)[:, None]
    pixels = torch.stack(
        (across.expand(height, width), down.expand(height, width), torch.ones_like(across * down))
    )
    result = pictures.float()
    shadow = gallery.shadow_of(kinds) * SHADOW
    sprites = {name: gallery.of(name, kinds, height) for name in NAMES}
    for place in range(places):
        of = slice(place, None, places)
        maps, presence = scene.cards.maps[of], scene.presence[of]
        opacity = scene.cards.opacity[of] * presence[:, None]
        level, lean = scene.light.level[of], scene.lean[of]
        past, behind = scene.cards.past_head[of], scene.cards.on_head[of]
        for number in EARS:
            moved = maps[:, number, :2] + scene.shadow_shift[of][..., None] * maps[:, number, 2:]
            moved = torch.cat((moved, maps[:, number, 2:]), 1)
            own = shadow * _enlarged(behind[:, number], shadow.shape[-1])
            alpha = _spread(own, moved, pixels) * opacity[:, number, None, None, None]
            result = result * (1 - alpha)
        for number in EARS:
            lit = _lit(sprites["ear"], lean[:, number], level)
            lit = lit * _enlarged(past[:, number], lit.shape[-1])
            result = _over(result, _spread(lit, maps[:, number], pixels), opacity[:, number])
        shown = _muzzle(_lit(sprites["muzzle"], scene.muzzle_lean[of], level), scene, of, across, down)
        result = _over(result, shown, presence * fur)
        for number in range(len(EARS), len(SPRITES)):
            lit = _lit(sprites[SPRITES[number]], lean[:, number], level)
            result = _over(result, _spread(lit, maps[:, number], pixels), opacity[:, number])
    return result


def _lit(sprite: Tensor, lean: Tensor, level: Tensor) -> Tensor:
    """Return (N, 4, S, S) paint as the light shows it."""
    shade = 1 + RELIEF * (sprite[:, 4:] * lean[:, :, None, None]).sum(1, keepdim=True)
    return torch.cat((sprite[:, :3] * shade * level[:, :, None, None], sprite[:, 3:4]), 1)


def _over(below: Tensor, shown: Tensor, opacity: Tensor) -> Tensor:
    shown = shown * opacity[:, None, None, None]
    return below * (1 - shown[:, 3:]) + shown[:, :3]


def _spread(drawing: Tensor, maps: Tensor, pixels: Tensor) -> Tensor:
    """Return (N, C, H, W) of drawings (N, C, S, S) that lie in the pictures as maps (N, 3, 3) say."""
    first, second, third = maps.unbind(1)
    inverse = torch.stack(
        (
            torch.linalg.cross(second, third),
            torch.linalg.cross(third, first),
            torch.linalg.cross(first, second),
        ),
        -1,
    )
    size = (inverse[..., 0] * first).sum(-1)
    # A card without any area, where nobody is, or one that reaches behind the camera: nowhere.
    is_seen = (size.abs() > 1e-9) & ((maps[:, 2, 2] + maps[:, 2, :2].clamp(max=0).sum(-1)) > 0.2)
    inverse = inverse / torch.where(is_seen, size, 1)[:, None, None]
    u, v, w = torch.einsum("nij,jhw->nihw", inverse, pixels).unbind(1)
    w = torch.where(w.abs() < 1e-6, 1e-6, w)
    grid = torch.stack((u / w * 2 - 1, v / w * 2 - 1), -1)
    grid = torch.where(is_seen[:, None, None, None] & (w > 0)[..., None], grid, FAR)
    return nnf.grid_sample(drawing, grid, "bilinear", "zeros", align_corners=False)


def _muzzle(lit: Tensor, scene: Scene, of: slice, across: Tensor, down: Tensor) -> Tensor:
    left, top, side = (one[:, None, None] for one in scene.muzzle.where[of].unbind(1))
    u, v = (across - left) / side * 2 - 1, (down - top) / side * 2 - 1
    u, v = u.expand(-1, len(down), -1), v.expand(-1, -1, len(across))
    small = torch.cat((scene.muzzle.places[of], scene.muzzle.share[of]), 1)
    spread = nnf.grid_sample(small, torch.stack((u, v), -1), "bilinear", "border", align_corners=False)
    is_inside = ((u.abs() <= 1) & (v.abs() <= 1))[:, None]
    shown = nnf.grid_sample(
        lit, spread[:, :2].permute(0, 2, 3, 1) * 2 - 1, "bilinear", "zeros", align_corners=False
    )
    share: Tensor = spread[:, 2:] * is_inside
    return shown * share


def _enlarged(veil: Tensor, side: int) -> Tensor:
    return nnf.interpolate(veil[:, None], (side, side), mode="bilinear", align_corners=False)


def _stacked(name: str, level: int) -> Tensor:
    sprites = [getattr(album(kind), name) for kind in KINDS]
    both = [np.concatenate((one.paint[level], one.relief[level]), -1) for one in sprites]
    return torch.from_numpy(np.stack(both)).permute(0, 3, 1, 2).contiguous()
