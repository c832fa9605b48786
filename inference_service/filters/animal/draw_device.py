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

from inference_service.filters.animal.art.album import album
from inference_service.filters.animal.art.brush import SIZES
from inference_service.filters.animal.cards import EARS, KINDS
from inference_service.filters.animal.draw import SHADOW, SHADOW_SIZE
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

    def shown(self, kinds: Tensor, lines: int) -> tuple[Tensor, ...]:
        """Return (5, K, 6, S, S) and (2, K, 6, s, s): paint and relief of animals (K,), as in NAMES.

        Their sizes depend on the picture's `lines`.
        """
        level = next(level for level, least in enumerate(LINES) if lines >= least)
        return tuple(one[:, kinds] for one in self._sprites[level])

    def shadows(self, kinds: Tensor) -> Tensor:
        """Return (K, 1, SHADOW_SIZE, SHADOW_SIZE): alpha of the ears' shadows."""
        return self._shadows[kinds]


def draw_on_device(pictures: Tensor, scene: Scene, kinds: Tensor, gallery: Gallery) -> Tensor:
    """Return float32 (N, 3, H, W) of uint8 pictures with animals of `kinds` (N,) int64.

    The scene has every place of every picture, and layers.
    """
    n, _, height, width = pictures.shape
    places = len(scene.owners) // n
    kinds = kinds[:, None].expand(n, places).flatten()
    result = pictures.float()
    for heads, owners in parts(n, places, VALUES * height * width):
        colour, left = _heads(scene, heads, kinds[heads], (height, width), gallery)
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


def _heads(
    scene: Scene, of: slice, kinds: Tensor, size: tuple[int, int], gallery: Gallery
) -> tuple[Tensor, Tensor]:
    """Return what heads show at each pixel, (K, 3, H, W), and the share of what is below, (K, 1, H, W)."""
    assert scene.layers is not None
    layers = Layers(*(one[of].transpose(0, 1) for one in scene.layers))
    across, down = (
        torch.arange(side, device=kinds.device, dtype=torch.float32) + 0.5 for side in reversed(size)
    )
    ears = len(EARS)
    shadow = gallery.shadows(kinds) * _enlarged(scene.cards.on_head[of].transpose(0, 1), SHADOW_SIZE)
    sprites = gallery.shown(kinds, size[0])
    large, small = (
        _lit(sprites[0], layers, slice(None, LARGE + 1)),
        _lit(sprites[1], layers, slice(LARGE + 1, None)),
    )
    large[:ears] *= _enlarged(scene.cards.past_head[of].transpose(0, 1), large.shape[-1])
    places = _places(layers.to_drawing.contiguous(), across, down)
    shadow = _sampled(shadow * layers.shadow[..., None, None, None], places[:ears])
    one_ear, other_ear, right, left = _sampled(large[:LARGE], places[ears : ears + LARGE]).unbind(0)
    mouth, nose = _sampled(small, places[ears + LARGE :]).unbind(0)
    muzzle = _muzzle(large[LARGE], Maps(*(one[of] for one in scene.muzzle)), across, down)
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
