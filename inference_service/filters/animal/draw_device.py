"""Animals drawn on a batch of pictures on a GPU, in fixed shapes: as `draw.py` does it on a CPU.

All heads are drawn at once, as far as memory goes, each on its own, from the ears' shadows to the nose. What
a head has at a pixel is then one colour, and how much of the picture is seen past it. A drawing is
transparent where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.kernels.twin import Twin, kernel_of
from inference_service.filters.animal.art.album import album
from inference_service.filters.animal.art.brush import SIZES
from inference_service.filters.animal.cards import EARS, KINDS
from inference_service.filters.animal.draw import SHADOW, SHADOW_SIZE
from inference_service.filters.animal.heads import Heads, Sheets, sample
from inference_service.filters.animal.layers import LARGE, Layers
from inference_service.filters.animal.muzzle import Maps
from inference_service.filters.animal.scene import Scene
from inference_service.filters.vision.at_once import parts

NAMES = ("ear", "ear", "whiskers", "whiskers", "muzzle"), ("mouth", "nose")
"""What large and small layers show; the largest size of the small ones is the second."""
LINES = (600, 300, 0)
"""From so many lines of a picture on the first, second, third size of the drawings is taken."""
NEAREST = 1e-3
"""Of what is behind the camera, or nearly: it lies far outside of a drawing then."""
VALUES = 50
"""Of each pixel of a head, at the most at once."""


class Gallery:
    """All drawings on one device."""

    def __init__(self, device: torch.device) -> None:
        self._sprites = [
            tuple(_stacked(names, level).to(device) for names in NAMES) for level in range(len(LINES))
        ]
        ears = _stacked(NAMES[0][:1], SIZES.index(SHADOW_SIZE))[0, :, 3:4].to(device)
        self._shadows = _blurred(ears, SHADOW_SIZE * 0.05) * SHADOW

    def sheets(self, lines: int) -> Sheets:
        """Return the drawings whose sizes suit so many `lines` of a picture."""
        level = next(level for level, least in enumerate(LINES) if lines >= least)
        large, small = self._sprites[level]
        return Sheets(large, small, self._shadows)


def draw_on_device(pictures: Tensor, scene: Scene, kinds: Tensor, gallery: Gallery) -> Tensor:
    """Return float32 (N, 3, H, W) of uint8 pictures with animals of `kinds` (N,) int64.

    The scene has every place of every picture, and layers.
    """
    assert scene.layers is not None
    heads = Heads(scene.layers, scene.muzzle, scene.cards.past_head, scene.cards.on_head)
    return HEADS(pictures, heads, kinds, gallery.sheets(pictures.shape[2]))


def by_torch(pictures: Tensor, heads: Heads, kinds: Tensor, sheets: Sheets) -> Tensor:
    """Draw as `draw_on_device` says."""
    n, _, height, width = pictures.shape
    count = len(heads.on_head)
    kinds = kinds[:, None].expand(n, count // n).flatten()
    result = pictures.float()
    for some, owners in parts(n, count // n, VALUES * height * width):
        colour, left = _heads(heads.part(some), kinds[some], (height, width), sheets)
        below = result[owners]
        per_place = zip(
            *(one.view(len(below), -1, *one.shape[1:]).unbind(1) for one in (colour, left)), strict=True
        )
        for own_colour, own_left in per_place:
            below = torch.addcmul(own_colour, below, own_left)
        if len(colour) == len(kinds):
            return below
        result[owners] = below
    return result


def _heads(heads: Heads, kinds: Tensor, size: tuple[int, int], sheets: Sheets) -> tuple[Tensor, Tensor]:
    """Return what heads show at each pixel, (K, 3, H, W), and the share of what is below, (K, 1, H, W)."""
    layers = Layers(*(one.transpose(0, 1) for one in heads.layers))
    across, down = (
        torch.arange(side, device=kinds.device, dtype=torch.float32) + 0.5 for side in reversed(size)
    )
    ears = len(EARS)
    shadow = sheets.shadows[kinds] * _enlarged(heads.on_head.transpose(0, 1), sheets.shadows.shape[-1])
    large, small = (
        _lit(sheets.large[:, kinds], layers, slice(None, LARGE + 1)),
        _lit(sheets.small[:, kinds], layers, slice(LARGE + 1, None)),
    )
    large[:ears] *= _enlarged(heads.past_head.transpose(0, 1), large.shape[-1])
    places = _places(layers.to_drawing.contiguous(), across, down)
    shadow = _sampled(shadow * layers.shadow[..., None, None, None], places[:ears])
    one_ear, other_ear, right, left = _sampled(large[:LARGE], places[ears : ears + LARGE]).unbind(0)
    mouth, nose = _sampled(small, places[ears + LARGE :]).unbind(0)
    muzzle = _muzzle(large[LARGE], heads.muzzle, across, down)
    colour, share = one_ear[:, :3], (1 - shadow).prod(0) * (1 - one_ear[:, 3:])
    for one in (other_ear, muzzle, mouth, right, left, nose):
        past = 1 - one[:, 3:]
        colour, share = torch.addcmul(one[:, :3], colour, past), share * past
    return colour, share


def _lit(sprites: Tensor, layers: Layers, of: slice) -> Tensor:
    """Return (L, K, 4, S, S): paint (L, K, 6, S, S) as the light shows it, as far as it is seen."""
    paint = sprites[:, :, :4] * layers.tint[of, ..., None, None]
    shade = (sprites[:, :, 4:] * layers.shade[of, ..., None, None]).sum(2, keepdim=True)
    paint[:, :, :3] *= shade.add_(1)
    return paint


def _places(to_drawing: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Return (L, K, H, W, 2) for `grid_sample`, of (L, K, 3, 3)."""
    of_column = torch.addcmul(to_drawing[..., 2:], to_drawing[..., :1], across)
    of_row = to_drawing[..., 1:2] * down
    places = of_column[..., None, :] + of_row[..., None]
    places[:, :, :2] /= places[:, :, 2:].clamp_(min=NEAREST)
    return places[:, :, :2].permute(0, 1, 3, 4, 2)


def _sampled(drawings: Tensor, places: Tensor) -> Tensor:
    """Return (L, K, C, H, W) of drawings (L, K, C, S, S)."""
    made = nnf.grid_sample(
        drawings.flatten(0, 1), places.flatten(0, 1), "bilinear", "zeros", align_corners=False
    )
    return made.view(*drawings.shape[:3], *places.shape[2:4])


def _muzzle(lit: Tensor, maps: Maps, across: Tensor, down: Tensor) -> Tensor:
    left, top, side = maps.where[..., None].unbind(1)
    u, v = ((across - left) / side * 2 - 1), ((down - top) / side * 2 - 1)
    is_inside = ((v.abs() <= 1)[:, :, None] & (u.abs() <= 1)[:, None])[:, None]
    size = len(lit), len(down), len(across)
    grid = torch.stack((u[:, None].expand(size), v[:, :, None].expand(size)), -1)
    small = torch.cat((maps.places, maps.share), 1)
    spread = nnf.grid_sample(small, grid, "bilinear", "border", align_corners=False)
    places = spread[:, :2].mul_(2).sub_(1).permute(0, 2, 3, 1)
    shown = nnf.grid_sample(lit, places, "bilinear", "zeros", align_corners=False)
    return shown.mul_(spread[:, 2:] * is_inside)


def _enlarged(veils: Tensor, side: int) -> Tensor:
    """Return (L, K, 1, side, side) of (L, K, s, s)."""
    return nnf.interpolate(veils, (side, side), mode="bilinear", align_corners=False)[:, :, None]


def _blurred(alpha: Tensor, deviation: float) -> Tensor:
    reach = round(3 * deviation)
    steps = torch.arange(-reach, reach + 1, device=alpha.device, dtype=torch.float32)
    bell = torch.exp(-0.5 * (steps / deviation).square())
    bell = (bell / bell.sum()).view(1, 1, 1, -1)
    padded = nnf.pad(alpha, (reach,) * 4, mode="reflect")
    return nnf.conv2d(nnf.conv2d(padded, bell), bell.transpose(2, 3))


def _stacked(names: Sequence[str], level: int) -> Tensor:
    """Return (names, animals, 6, S, S)."""
    made = []
    for name in names:
        sprites = [getattr(album(kind), name) for kind in KINDS]
        made.append(np.stack([np.concatenate((one.paint[level], one.relief[level]), -1) for one in sprites]))
    return torch.from_numpy(np.stack(made)).permute(0, 1, 4, 2, 3).contiguous()


def _samples(device: torch.device) -> list[tuple[object, ...]]:
    return [sample(device, 4, 4, (480, 640))]


HEADS = Twin("heads", by_torch, kernel_of("inference_service.filters.animal.kernels.heads", "draw"), _samples)
