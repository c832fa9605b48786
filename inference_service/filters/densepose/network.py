"""DensePose from pictures to maps of each person, in stages of fixed shapes that never wait for the device.

    find     pictures -> backbone -> proposals -> people (boxes, compacted), features, how many there are
    decode   features -> one map of features for all people
    pool     that map and people -> the features of each person
    segment  the features of each person -> 2 coarse and 25 fine maps

detectron2's modules do what has weights. What the library does around them image by image and person by
person, waiting for the device each time (selection, suppression, pooling), happens here at once for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from inference_service.filters.densepose import halving
from inference_service.filters.densepose.grid import Grid, network_size
from inference_service.filters.densepose.paint import enlargement
from inference_service.filters.densepose.people import PERSON_COLUMNS, Found, People
from inference_service.filters.densepose.resize import Blend, resize
from inference_service.filters.vision.networks.boxes import clip, decode, is_nonempty, suppress
from inference_service.filters.vision.networks.compiling import Compiled
from inference_service.filters.vision.networks.folding import flatten_channels_last
from inference_service.filters.vision.networks.fusing import fuse
from inference_service.filters.vision.networks.graphs import CROWDS, bucket
from inference_service.filters.vision.networks.pooling import Levels, align_exactly, gather
from inference_service.filters.vision.networks.proposals import Selection

PROPOSAL_ROUNDS, PERSON_ROUNDS = 24, 12
"""Of suppression on a GPU. Measured chains: among proposals 9 where they crowd round people and 16 where they
lie as anchors do under scores that change slowly; among people 7."""
MAX_COMPILED = 64
"""Numbers and sizes of pictures for which backbone and decoder are compiled."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is looked at, per picture."""

    short_side: int
    proposals_per_level: int
    proposals: int
    max_people: int


class Network:
    """The stages; in 16 bits (float16 or bfloat16) channels last, with everything folded that can be."""

    def __init__(self, model: Any, limits: Limits, device: torch.device, dtype: torch.dtype) -> None:
        """Take detectron2's model to pieces, in place, on `device`."""
        self.limits = limits
        self.device = device
        self.dtype = dtype
        self.is_half = dtype != torch.float32
        is_gpu = device.type == "cuda"
        heads, rpn = model.roi_heads, model.proposal_generator
        self._rpn_names, self._heads_names = tuple(rpn.in_features), tuple(heads.in_features)
        self._strides = tuple(rpn.anchor_generator.strides)
        self._divisor = model.backbone.size_divisibility
        self._anchor_generator = rpn.anchor_generator
        self.rounds = (PROPOSAL_ROUNDS, PERSON_ROUNDS) if is_gpu else (None, None)
        """Of suppression; None: until it has settled, which is only asked where asking is free."""
        self._selection = Selection(
            limits.proposals_per_level,
            limits.proposals,
            _pair(rpn.box2box_transform.weights),
            rpn.nms_thresh,
            lambda boxes, logits: is_nonempty(boxes),
        )
        self._box_threshold = heads.box_predictor.test_nms_thresh
        self._box_weights = _pair(heads.box_predictor.box2box_transform.weights)
        self._box_side = heads.box_pooler.output_size[0]
        self._person_side = heads.densepose_pooler.output_size[0]
        self._mean, self._std = model.pixel_mean.to(device), model.pixel_std.to(device)
        self._upscale = int(heads.densepose_predictor.scale_factor)
        person_channels = heads.densepose_head.body_conv_fcn1.in_channels
        if self.is_half:
            channels = model.backbone.output_shape()[self._heads_names[0]].channels
            halving.fold_norms(model, dtype)
            fuse(model)
            flatten_channels_last(heads.box_head.fc1, channels)
            segmentation: nn.Module = halving.segmentation_layer(heads.densepose_predictor)
        else:
            predictor = heads.densepose_predictor
            segmentation = nn.ModuleList((predictor.ann_index_lowres, predictor.index_uv_lowres))
        self.backbone = self._placed(model.backbone)
        self._rpn_head = self._placed(rpn.rpn_head)
        self._box_head = self._placed(heads.box_head)
        self._box_predictor = self._placed(heads.box_predictor)
        self.decoder = self._placed(heads.decoder)
        self._person_head = self._placed(heads.densepose_head)
        self._segmentation = self._placed(segmentation)
        self.person_shape = (
            person_channels,
            *[self._person_side] * 2,
        )
        """Of one row of what `pool` returns."""
        self.upsample: Tensor | None = None
        """What `segment` leaves to the painter: the enlargement of its maps, see `paint.draw`."""
        if self.is_half:
            self.upsample = enlargement(2 * self._person_side, self._upscale, device)

    def compiled(self) -> Compiled:
        """Prepare a compiled form of what has most of the weights."""
        # By default torch gives up after eight sizes, and computes the others as if nothing was compiled.
        config = torch._dynamo.config
        for limit in ("recompile_limit", "cache_size_limit"):
            if hasattr(config, limit):
                setattr(config, limit, max(MAX_COMPILED, getattr(config, limit)))
        return Compiled((self.backbone, self.decoder), dynamic=False)

    def grid(self, size: tuple[int, int]) -> Grid:
        """Prepare for pictures of `size` (height, width); copies to the device."""
        network = network_size(size, self.limits.short_side)
        padding = (-network[0] % self._divisor, -network[1] % self._divisor)
        padded = (network[0] + padding[0], network[1] + padding[1])
        # Each level halves the one before, rounding up where that is odd.
        shapes = [(-(-padded[0] // stride), -(-padded[1] // stride)) for stride in self._strides]
        anchors = self._anchor_generator([torch.empty(1).expand(1, 1, *shape) for shape in shapes])
        count = len(self._heads_names)
        return Grid(
            size,
            network,
            Blend.between(size[1], network[1], self.device),
            Blend.between(size[0], network[0], self.device),
            padding,
            tuple(one.tensor.to(self.device) for one in anchors),
            Levels.of(shapes[:count], self._strides[:count], self.device),
            Levels.of(shapes[:1], self._strides[:1], self.device),
        )

    def find(self, pictures: Tensor, min_scores: Tensor, grid: Grid) -> Found:
        """Find people in `pictures`, (N, 3, H, W) uint8 RGB; `min_scores` (N,) float32 decides who counts."""
        found = self.search(self.shrink(pictures, grid), min_scores, grid)
        return found._replace(people=self.fit(found.people, grid))

    def shrink(self, pictures: Tensor, grid: Grid) -> Tensor:
        """Return `pictures` in the size that the network sees, uint8."""
        return resize(pictures, grid.across, grid.down).to(torch.uint8)

    def fit(self, people: Tensor, grid: Grid) -> Tensor:
        """Return rows of `search` with the boxes in the pictures; who has no area there is not drawn."""
        boxes = grid.to_picture(people[:, :4])
        rank = torch.where(is_nonempty(boxes), people[:, 9], -1.0)
        return torch.cat((people[:, :4], boxes, people[:, 8:9], rank[:, None]), dim=1)

    def search(self, shrunk: Tensor, min_scores: Tensor, grid: Grid) -> Found:
        """Do what `find` does for pictures of the network's size; their boxes in the pictures are left out.

        All of it depends on that size alone, so cameras of several sizes share a recording.
        """
        by_name = self.backbone(self._input(shrunk, grid))
        features = [by_name[name] for name in self._rpn_names]
        logits, deltas = self._rpn_head(features)
        proposals, is_real, rpn_settled = self._selection.propose(
            logits, deltas, grid.anchors, grid.network, self.rounds[0]
        )
        # Anything that is not finite makes a sum so, and nothing else does.
        poison = sum(level.flatten(1).sum(1, dtype=torch.float32) * 0 for level in logits)
        features = [by_name[name] for name in self._heads_names]
        scores, deltas = self._judge(features, proposals, grid)
        outputs = torch.cat((scores, deltas), dim=-1)
        poison = poison + torch.where(is_real[..., None], outputs, 0).flatten(1).sum(1) * 0
        people, count, box_settled = self._choose(proposals, is_real, scores, deltas, min_scores, grid)
        unsettled = (~rpn_settled).sum() + (~box_settled).sum()
        summary = torch.stack((count, unsettled)).to(torch.int32)
        return Found(tuple(features), people, summary, poison)

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Return (N, C, H / 4, W / 4), padded, from the features of `find`."""
        decoded: Tensor = self.decoder(list(features))
        return decoded

    def pool(self, decoded: Tensor, people: People, grid: Grid) -> Tensor:
        """Return (M, C, 28, 28)."""
        place = people.picture, people.network_boxes
        if self.is_half:
            return gather([decoded], *place, grid.finest, self._person_side)
        return align_exactly([decoded], *place, self._strides[:1], self._person_side)

    def segment(self, pooled: Tensor) -> Tensor:
        """Return (M, 27, 112, 112), 2 coarse maps and 25 fine; (M, 27, 56, 56) where `upsample` is set."""
        features = self._person_head(pooled)
        if self.is_half:
            maps: Tensor = self._segmentation(features)
            return maps
        enlarged = [
            nnf.interpolate(
                layer(features), scale_factor=float(self._upscale), mode="bilinear", align_corners=False
            )
            for layer in self._segmentation.children()
        ]
        return torch.cat(enlarged, dim=1)

    def _placed(self, module: nn.Module) -> nn.Module:
        module = module.to(self.device, self.dtype)
        if self.is_half:
            module = module.to(memory_format=torch.channels_last)
        return module

    def _input(self, shrunk: Tensor, grid: Grid) -> Tensor:
        values: Tensor = (shrunk.to(torch.float32).flip(1) - self._mean) / self._std
        below, right = grid.padding
        if below or right:
            values = nnf.pad(values, (0, right, 0, below))
        form = torch.channels_last if self.is_half else torch.contiguous_format
        return values.to(self.dtype, memory_format=form)

    def _judge(self, features: Sequence[Tensor], proposals: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Return logits (N, P, 2), person and not, and deltas (N, P, 4), float32."""
        n, count = proposals.shape[:2]
        picture = torch.arange(n, device=proposals.device).repeat_interleave(count, output_size=n * count)
        flat = proposals.flatten(0, 1)
        if self.is_half:
            pooled = (
                gather(features, picture, flat, grid.levels, self._box_side).permute(0, 2, 3, 1).flatten(1)
            )
        else:
            strides = self._strides[: len(features)]
            pooled = align_exactly(features, picture, flat, strides, self._box_side)
        scores, deltas = self._box_predictor(self._box_head(pooled))
        return scores.float().view(n, count, -1), deltas.float().view(n, count, -1)

    def _choose(
        self,
        proposals: Tensor,
        is_real: Tensor,
        logits: Tensor,
        deltas: Tensor,
        min_scores: Tensor,
        grid: Grid,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rows of people, their number, and which pictures' suppression has settled."""
        scores = nnf.softmax(logits, dim=-1)[..., 0]
        boxes = decode(deltas, proposals, self._box_weights)
        is_valid = is_real & boxes.isfinite().all(dim=-1) & (scores > min_scores[:, None])
        boxes = clip(torch.where(is_valid[..., None], boxes, 0), grid.network)
        order = torch.where(is_valid, scores, -1.0).sort(dim=1, descending=True, stable=True).indices
        boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
        is_valid = is_valid.gather(1, order)
        kept, is_settled = suppress(boxes, is_valid, self._box_threshold, self.rounds[1])
        rank = kept.cumsum(dim=1) - 1
        kept = kept & (rank < self.limits.max_people)
        picture = torch.arange(len(boxes), device=boxes.device)[:, None].expand_as(rank)
        columns = torch.stack((picture, rank), dim=-1).to(torch.float32)
        rows = torch.cat((boxes, torch.zeros_like(boxes), columns), dim=-1).flatten(0, 1)
        flat = kept.flatten()
        # Room for a number of people that is recorded, so that theirs can be filled up to it.
        capacity = bucket(len(boxes) * self.limits.max_people, CROWDS)
        # Whoever is not kept goes to one more row, which is cut off.
        place = torch.where(flat, flat.cumsum(0) - 1, capacity)
        people = torch.zeros(capacity + 1, PERSON_COLUMNS, device=boxes.device)
        people[:, -1] = -1
        people = people.index_copy(0, place, rows)[:capacity]
        return people, flat.sum(), is_settled


def _pair(weights: Sequence[float]) -> tuple[float, float]:
    x, y, width, height = weights
    assert (x, width) == (y, height)
    return float(x), float(width)
