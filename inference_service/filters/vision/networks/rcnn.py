"""torchvision's Faster R-CNN on a whole batch at once, in fixed shapes, without waiting for the device.

    pictures -> backbone -> proposals -> things (boxes, labels, scores), best first

torchvision's modules do what has weights. What the library does around them picture by picture, waiting for
the device each time (resizing, selection, suppression), happens here at once for all. On a CPU, where asking
how many there are costs nothing, only proposals that are real are looked at.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from inference_service.filters.base import Piece
from inference_service.filters.vision.networks.boxes import clip, decode, suppress
from inference_service.filters.vision.networks.folding import flatten_channels_last, fold_norm
from inference_service.filters.vision.networks.fusing import fuse
from inference_service.filters.vision.networks.graphs import Recorder, Unrecorded
from inference_service.filters.vision.networks.pooling import align_exactly, gather
from inference_service.filters.vision.networks.precision import require_finite
from inference_service.filters.vision.networks.proposals import Selection
from inference_service.filters.vision.networks.rcnn_grid import Grid
from inference_service.filters.vision.networks.replays import Replays

PROPOSAL_ROUNDS, THING_ROUNDS = 24, 12
"""Of suppression on a GPU; even, so that one that is cut short shows a thing twice rather than not at all."""
CANDIDATES = 256
"""Best pairs of proposal and class of a picture that are compared with each other."""
LEAST_THING = 1e-2
"""Pixels, of the sides of a thing; torchvision's own limit, which its model does not name."""
MAX_GRIDS = 16
_PROBE = 128


class Things(NamedTuple):
    """What is in N pictures, K places each, best first; places that are not taken come last."""

    boxes: Tensor
    """(N, K, 4) float32, in pixels of the picture, within it."""
    network_boxes: Tensor
    """(N, K, 4) float32, in pixels of the network's input."""
    labels: Tensor
    """(N, K) int64: torchvision's numbers of classes; 0 where there is nothing."""
    scores: Tensor
    """(N, K) float32; 0 where there is nothing."""
    is_real: Tensor
    """(N, K) bool."""
    found: Tensor
    """(N,) int64: how many there would be without the limit of K."""


class Found(NamedTuple):
    """What `find` returns, all of it on the device."""

    things: Things
    features: tuple[Tensor, ...]
    """The levels that regions are pooled from."""
    poison: Tensor
    """(N,) float32: 0, or NaN for a picture for which the network's output is not finite."""


class Network:
    """The model's stages; channels last, and norms folded into their convolutions."""

    def __init__(self, model: Any, device: torch.device, dtype: torch.dtype) -> None:
        """Take torchvision's `FasterRCNN`, on the CPU, to pieces, in place; all limits are its own."""
        self.device = device
        self.dtype = dtype
        self.is_half = dtype != torch.float32
        is_gpu = device.type == "cuda"
        self._rounds = (PROPOSAL_ROUNDS, THING_ROUNDS) if is_gpu else (None, None)
        self.asks = not is_gpu
        """Asking how many there are costs nothing."""
        self._rpn, self._heads, self._transform = model.rpn, model.roi_heads, model.transform
        least_side, least_score = self._rpn.min_size, self._rpn.score_thresh
        self._selection = Selection(
            self._rpn.pre_nms_top_n(),
            self._rpn.post_nms_top_n(),
            _pair(self._rpn.box_coder.weights),
            self._rpn.nms_thresh,
            lambda boxes, logits: _is_at_least(boxes, least_side) & (logits.sigmoid() >= least_score),
        )
        self._box_weights = _pair(self._heads.box_coder.weights)
        self._side = self._heads.box_roi_pool.output_size[0]
        statistics = torch.tensor((self._transform.image_mean, self._transform.image_std))
        self._mean, self._std = (statistics * 255)[..., None, None].to(device)
        fold_norms(model)
        require_finite(model, self.dtype)
        names, self._strides = _strides(model.backbone)
        usable = self._heads.box_roi_pool.featmap_names
        pooled = [number for number, name in enumerate(names) if name in usable]
        # torchvision chooses a level by its stride, so that of two of one stride it takes the first alone.
        self._pooled = [number for number in pooled if self._strides[number] not in self._strides[:number]]
        if self.is_half:
            flatten_channels_last(self._heads.box_head.fc6, model.backbone.out_channels)
            fuse(model)
        self._backbone = self.placed(model.backbone)
        self._rpn_head = self.placed(self._rpn.head)
        self._box_head = self.placed(self._heads.box_head)
        self._box_predictor = self.placed(self._heads.box_predictor)
        self.classes = int(model.roi_heads.box_predictor.cls_score.out_features)
        """Background, which is number 0, included."""
        self._replays = Replays()
        self._grids: OrderedDict[tuple[int, int], Grid] = OrderedDict()

    def placed(self, module: nn.Module) -> nn.Module:
        """Return a module on the device, as this network has its own."""
        module = module.to(self.device, self.dtype)
        return module.to(memory_format=torch.channels_last)

    def grid(self, size: tuple[int, int]) -> Grid:
        """Return what belongs to pictures of `size` (height, width); a new one copies to the device."""
        grid = self._grids.get(size)
        if grid is None:
            grid = self._grids[size] = self._new_grid(size)
            if len(self._grids) > MAX_GRIDS:
                self._grids.popitem(last=False)
        else:
            self._grids.move_to_end(size)
        return grid

    def _new_grid(self, size: tuple[int, int]) -> Grid:
        return Grid.of(size, self._rpn, self._transform, self._strides, self._pooled, self.device)

    def find(self, pictures: Tensor, min_scores: Tensor, is_wanted: Tensor, grid: Grid) -> Found:
        """Find things in `pictures`, (N, 3, H, W) uint8 RGB.

        `min_scores` (N,) float32: what is not above is left out; `is_wanted` (N, classes) bool: so are other
        classes, and the background always.
        """
        found = self._search(self._shrunk(pictures, grid), min_scores, is_wanted, grid)
        return found._replace(things=_in_picture(found.things, grid))

    def things(
        self, pictures: Tensor, min_scores: Tensor, is_wanted: Tensor, grid: Grid
    ) -> tuple[Things, Tensor]:
        """Return what `find` does, and its poison; from a recording, where there is one."""
        rows = self._replays.run(
            grid.network, partial(self._rows, grid), self._shrunk(pictures, grid), min_scores, is_wanted
        )
        return _in_picture(Things(rows[0], *rows[:-1]), grid), rows[-1]

    def pieces(
        self, size: tuple[int, int], most: int, recorder: Recorder, unrecorded: Unrecorded
    ) -> Iterator[Piece]:
        """Give the pieces that record `things` for up to `most` pictures of `size` (height, width)."""
        grid = self._new_grid(size)
        if self._replays.has(grid.network):
            return
        height, width = grid.network
        rows = (
            torch.zeros(most, 3, height, width, device=self.device),
            torch.ones(most, device=self.device),
            torch.zeros(most, self.classes, dtype=torch.bool, device=self.device),
        )
        function = partial(self._rows, grid)
        name = f"{width}x{height}"
        yield from self._replays.pieces(grid.network, function, rows, recorder, unrecorded, name)

    def _rows(self, grid: Grid, shrunk: Tensor, min_scores: Tensor, is_wanted: Tensor) -> tuple[Tensor, ...]:
        found = self._search(shrunk, min_scores, is_wanted, grid)
        return (*found.things[1:], found.poison)

    def _search(self, shrunk: Tensor, min_scores: Tensor, is_wanted: Tensor, grid: Grid) -> Found:
        """Do what `find` does for pictures of the network's size, but for the boxes in the pictures."""
        levels = tuple(self._backbone(self._input(shrunk, grid)).values())
        logits, deltas = self._rpn_head(list(levels))
        # Anything that is not finite makes a sum so, and nothing else does.
        poison = sum(level.flatten(1).sum(1, dtype=torch.float32) * 0 for level in (*logits, *deltas))
        proposals, is_real, _ = self._selection.propose(
            logits, deltas, grid.anchors, grid.network, self._rounds[0]
        )
        features = tuple(levels[number] for number in self._pooled)
        scores, moves = self._judge(features, proposals, is_real, grid)
        poison = poison + torch.where(is_real, scores.sum(-1) + moves.sum(-1), 0).sum(1) * 0
        things = self._choose(proposals, is_real, scores, moves, min_scores, is_wanted, grid)
        return Found(things, features, poison)

    def pool(
        self, features: Sequence[Tensor], picture: Tensor, boxes: Tensor, grid: Grid, side: int
    ) -> Tensor:
        """Return (R, C, side, side) of `boxes` (R, 4), in pixels of the network's input, of pictures (R,)."""
        if self.is_half:
            return gather(features, picture, boxes, grid.levels, side)
        strides = [self._strides[number] for number in self._pooled]
        return align_exactly(features, picture, boxes, strides, side)

    def _shrunk(self, pictures: Tensor, grid: Grid) -> Tensor:
        values = pictures.to(torch.float32)
        if grid.network == grid.picture:
            return values
        return nnf.interpolate(values, size=grid.network, mode="bilinear", align_corners=False)

    def _input(self, values: Tensor, grid: Grid) -> Tensor:
        values = (values - self._mean) / self._std
        below, right = grid.padding
        if below or right:
            values = nnf.pad(values, (0, right, 0, below))
        return values.to(self.dtype, memory_format=torch.channels_last)

    def _judge(
        self, features: Sequence[Tensor], proposals: Tensor, is_real: Tensor, grid: Grid
    ) -> tuple[Tensor, Tensor]:
        """Return logits (N, P, C) and deltas (N, P, 4 * C), float32; zero where a CPU left them out."""
        n, count = is_real.shape
        picture = torch.arange(n, device=is_real.device).repeat_interleave(count, output_size=n * count)
        boxes, real = proposals.flatten(0, 1), None
        if self.asks:
            real = is_real.flatten().nonzero()[:, 0]
            picture, boxes = picture[real], boxes[real]
        pooled = self.pool(features, picture, boxes, grid, self._side)
        rows = pooled.permute(0, 2, 3, 1).flatten(1) if self.is_half else pooled
        scores, deltas = (one.float() for one in self._box_predictor(self._box_head(rows)))
        if real is not None:
            scores, deltas = (
                one.new_zeros(n * count, one.shape[1]).index_copy_(0, real, one) for one in (scores, deltas)
            )
        return scores.view(n, count, -1), deltas.view(n, count, -1)

    def _choose(
        self,
        proposals: Tensor,
        is_real: Tensor,
        logits: Tensor,
        deltas: Tensor,
        min_scores: Tensor,
        is_wanted: Tensor,
        grid: Grid,
    ) -> Things:
        n, count, classes = logits.shape
        scores = nnf.softmax(logits, dim=-1)
        is_valid = is_real[..., None] & (scores > min_scores[:, None, None]) & is_wanted[:, None]
        is_valid[..., 0] = False
        scores = torch.where(is_valid, scores, -1.0).flatten(1)
        best, place = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)
        labels = place % classes
        anchors = proposals.gather(1, (place // classes)[..., None].expand(-1, -1, 4))
        moves = deltas.view(n, count * classes, 4).gather(1, place[..., None].expand(-1, -1, 4))
        boxes = decode(moves, anchors, self._box_weights)
        is_finite = boxes.isfinite().all(dim=-1)
        boxes = clip(torch.where(is_finite[..., None], boxes, 0), grid.network)
        is_valid = (best > -1) & is_finite & _is_at_least(boxes, LEAST_THING)
        kept, _ = suppress(boxes, is_valid, self._heads.nms_thresh, self._rounds[1], groups=labels)
        best = torch.where(kept, best, 0)
        scores, order = best.topk(min(self._heads.detections_per_img, best.shape[1]), dim=1)
        is_real = scores > 0
        boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4)) * is_real[..., None]
        labels = labels.gather(1, order) * is_real
        return Things(boxes, boxes, labels, scores, is_real, kept.sum(dim=1))


def _in_picture(things: Things, grid: Grid) -> Things:
    return things._replace(boxes=grid.to_picture(things.network_boxes))


def fold_norms(model: nn.Module) -> None:
    """Fold each frozen batch norm into the convolution before it, in place."""
    from torchvision.ops import FrozenBatchNorm2d

    for parent in list(model.modules()):
        children = list(parent.named_children())
        for (_, layer), (name, norm) in pairwise(children):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, FrozenBatchNorm2d):
                fold_norm(layer, norm)
                setattr(parent, name, nn.Identity())
    left = [name for name, module in model.named_modules() if isinstance(module, FrozenBatchNorm2d)]
    assert not left, f"norms that follow no convolution: {left}"


def _strides(backbone: nn.Module) -> tuple[list[str], list[int]]:
    """Return the names of the levels and how many pixels a cell of each is wide."""
    with torch.inference_mode():
        levels = backbone(torch.zeros(1, 3, _PROBE, _PROBE))
    return list(levels), [_PROBE // one.shape[-1] for one in levels.values()]


def _is_at_least(boxes: Tensor, side: float) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0] >= side) & (boxes[..., 3] - boxes[..., 1] >= side)


def _pair(weights: Sequence[float]) -> tuple[float, float]:
    x, y, width, height = weights
    assert (x, width) == (y, height)
    return float(x), float(width)
