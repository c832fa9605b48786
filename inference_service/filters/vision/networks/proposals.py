"""A region proposal network's outputs made proposals: a whole batch at once, in fixed shapes.

Ren et al., "Faster R-CNN" (2015), section 3. torchvision and detectron2 do the same picture by picture, and
wait for the device each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.filters.vision.networks.boxes import clip, decode, suppress


class Proposals(NamedTuple):
    """P places of N pictures, best first."""

    boxes: Tensor
    """(N, P, 4) float32, in pixels of the network's input."""
    is_real: Tensor
    """(N, P) bool: the others are filled up."""
    is_settled: Tensor
    """(N,) bool: suppression was not cut short; see boxes.suppress."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which candidates become proposals."""

    per_level: int
    """Best candidates of each level that are compared with each other."""
    proposals: int
    """Most proposals of a picture."""
    weights: tuple[float, float]
    """Of the moves of centre and size; see boxes.decode."""
    overlap: float
    """Candidates of one level that overlap more are one."""
    is_usable: Callable[[Tensor, Tensor], Tensor]
    """Tells of boxes (..., 4) and logits (...) which count, (...) bool."""

    def propose(
        self,
        logits: Sequence[Tensor],
        deltas: Sequence[Tensor],
        anchors: Sequence[Tensor],
        size: tuple[int, int],
        rounds: int | None,
    ) -> Proposals:
        """Return the proposals of N pictures, clipped to `size` (height, width).

        Per level: `logits` (N, A, h, w), `deltas` (N, A * 4, h, w), `anchors` (h * w * A, 4). `rounds` of
        suppression; None: until it has settled, which waits for the device.
        """
        boxes, scores = [], []
        for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors, strict=True):
            n = len(level_logits)
            # Channels are (anchor, coordinate); anchors vary fastest, then columns, then rows.
            level_scores = level_logits.permute(0, 2, 3, 1).reshape(n, -1)
            moves = level_deltas.permute(0, 2, 3, 1).reshape(n, -1, 4)
            best, place = level_scores.topk(min(self.per_level, level_scores.shape[1]), dim=1)
            chosen = moves.gather(1, place[..., None].expand(-1, -1, 4))
            missing = self.per_level - best.shape[1]
            decoded = decode(chosen, level_anchors[place], self.weights)
            boxes.append(nnf.pad(decoded, (0, 0, 0, missing)))
            scores.append(nnf.pad(best.float(), (0, missing), value=-torch.inf))
        candidates, logit = torch.stack(boxes, dim=1), torch.stack(scores, dim=1)
        is_finite = candidates.isfinite().all(dim=-1) & logit.isfinite()
        candidates = clip(torch.where(is_finite[..., None], candidates, 0), size)
        is_valid = is_finite & self.is_usable(candidates, logit)
        kept, is_settled = suppress(candidates.flatten(0, 1), is_valid.flatten(0, 1), self.overlap, rounds)
        logit = torch.where(kept.view_as(logit), logit, -torch.inf).flatten(1)
        best, place = logit.topk(min(self.proposals, logit.shape[1]), dim=1)
        proposals = candidates.flatten(1, 2).gather(1, place[..., None].expand(-1, -1, 4))
        return Proposals(proposals, best > -torch.inf, is_settled.view(len(logit), -1).all(dim=1))
