"""From the network's maps of each person to the finished pictures, all people and pictures at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as nnf

COARSE = 2
"""Background and body; the 25 fine maps (background and parts) follow."""
RANKS_SHIFT = 5
"""A label takes 5 bits of the key that decides who is drawn on top."""
CHUNK_BYTES = 256 << 20
"""Maps at full size take 33 MB a person at 640x480, so people are labelled a few at a time."""


def draw(
    pictures: Tensor,
    maps: Tensor | None,
    boxes: Tensor,
    picture: Tensor,
    rank: Tensor,
    tables: Tensor,
    upsample: Tensor | None = None,
) -> Tensor:
    """Return the drawings, (N, 3, H, W) in [0, 255], of the floating-point type of `tables`.

    `pictures`: (N, 3, H, W) uint8 RGB. `maps`: (M, 27, h, w), 2 coarse and 25 fine ones of each person; None
    where there is nobody. `boxes`: (M, 4) in pixels of the pictures, within them. `picture`: (M,) int64.
    `rank`: (M,) int64, 0 the best of a picture, which is drawn first; below 0 nothing is drawn. `tables`:
    (N, 25, 4), see `palette`; what is NaN there is NaN in the whole drawing. `upsample`: (h', h), by which
    the maps are to be enlarged first in both directions.
    """
    n, _, height, width = pictures.shape
    labels = torch.zeros(n, height, width, dtype=torch.int64, device=pictures.device)
    dtype = tables.dtype
    if maps is not None:
        keys = torch.zeros(n, height, width, dtype=torch.int32, device=pictures.device)
        for some in _chunks(maps, height, width):
            drawn = label(maps[some], boxes[some], (height, width), upsample)
            key = ((rank[some][:, None, None].to(torch.int32) + 1) << RANKS_SHIFT) + drawn
            key = torch.where((drawn > 0) & (rank[some] >= 0)[:, None, None], key, 0)
            # The highest key wins: later people lie on top, and whoever shows background there hides nobody.
            keys.scatter_reduce_(0, picture[some][:, None, None].expand_as(key), key, "amax")
        labels = (keys & ((1 << RANKS_SHIFT) - 1)).to(torch.int64)
    first = torch.arange(0, n * tables.shape[1], tables.shape[1], device=labels.device)
    painted = nnf.embedding(labels + first[:, None, None], tables.flatten(0, 1)).permute(0, 3, 1, 2)
    return torch.addcmul(painted[:, :3], painted[:, 3:], pictures.to(dtype))


def label(maps: Tensor, boxes: Tensor, size: tuple[int, int], upsample: Tensor | None = None) -> Tensor:
    """Return (M, H, W) int32: each person's body part, 0 to 24, at each pixel of a picture of `size`.

    Both groups of maps are stretched over the person's box and the largest of each group is taken. Stretching
    is a product with a matrix on either side; those have zeros outside of the box, where all maps then are
    zero, and where nothing is larger than the background.
    """
    height, width = size
    corner = boxes[:, :2].to(torch.int64)
    extent = (boxes[:, 2:] - boxes[:, :2]).to(torch.int64)
    side = maps.shape[-1] if upsample is None else upsample.shape[0]
    down = _stretch(corner[:, 1], extent[:, 1], height, side)
    across = _stretch(corner[:, 0], extent[:, 0], width, side)
    if upsample is not None:
        down, across = down @ upsample, across @ upsample
    count, channels = maps.shape[:2]
    rows = maps.reshape(count, -1, maps.shape[-1]) @ across.to(maps.dtype).transpose(1, 2)
    rows = rows.view(count, channels, -1, width)
    full = torch.matmul(down.to(maps.dtype)[:, None], rows)
    is_body = full[:, 1] > full[:, 0]
    part = full[:, COARSE:].argmax(dim=1)
    return torch.where(is_body, part, 0).to(torch.int32)


def enlargement(side: int, factor: int, device: torch.device) -> Tensor:
    """Return (factor * side, side) float32: bilinear enlargement of a column as a matrix."""
    unit = torch.eye(side, device=device)[None]
    return nnf.interpolate(unit, scale_factor=factor, mode="linear", align_corners=False)[0].T.contiguous()


def _stretch(begin: Tensor, extent: Tensor, size: int, side: int) -> Tensor:
    """Return (M, size, side) float32: rows that blend two neighbours of `side` values, zero outside.

    Bilinear with pixel centres at halves, cut at the borders (`align_corners=False`).
    """
    pixel = torch.arange(size, device=begin.device) - begin[:, None]
    is_inside = (pixel >= 0) & (pixel < extent[:, None])
    scale = side / extent.clamp(min=1).to(torch.float32)
    at = ((pixel + 0.5) * scale[:, None] - 0.5).clamp(0, side - 1)
    distance = at[..., None] - torch.arange(side, device=begin.device)
    return (1 - distance.abs()).clamp_(min=0) * is_inside[..., None]


def _chunks(maps: Tensor, height: int, width: int) -> Iterator[slice]:
    each = max(1, CHUNK_BYTES // (maps.shape[1] * height * width * maps.element_size()))
    return (slice(first, first + each) for first in range(0, len(maps), each))
