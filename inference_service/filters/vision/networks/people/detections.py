"""What a detector's raw numbers mean: anchors, boxes with points, and one answer where many say the same.

All shapes are fixed: `limit` answers per picture, best first, those beyond the last one found with score 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.vision.networks.people.fit import Fit
from inference_service.filters.vision.networks.people.recordable import Steps, floats
from inference_service.filters.vision.rows import upload

CANDIDATES = 96
"""The best answers that are looked at; on photographs a face or body has up to 28 above the threshold."""
MOST_PICTURES = 16
"""That are recorded together: the answers of both face finders take 0.2 MB each."""
MOST_SIZES = 32
MAX_LOGIT = 100.0
"""MediaPipe's `score_clipping_thresh`."""


@dataclass(frozen=True, slots=True)
class Detections:
    """Answers for N pictures, all float32, in pixels of the picture, best first."""

    scores: Tensor
    """(N, limit), 0..1; 0 where nothing was found."""
    boxes: Tensor
    """(N, limit, 4): left, top, right, bottom; may reach out of the picture."""
    points: Tensor
    """(N, limit, K, 2): x, y."""


def anchors(size: int, strides: Sequence[int], per_layer: int) -> Tensor:
    """Return (A, 2) float32 centres x, y in pixels of a square input of `size`.

    As MediaPipe's `SsdAnchorsCalculator` makes them with `fixed_anchor_size`: neighbouring layers of equal
    stride share their cells, so a cell of three such layers has three times `per_layer` anchors. Rows come
    first.
    """
    parts = []
    position = 0
    while position < len(strides):
        stride = strides[position]
        run = 1
        while position + run < len(strides) and strides[position + run] == stride:
            run += 1
        count = -(-size // stride)
        middles = (torch.arange(count, dtype=torch.float32) + 0.5) * (size / count)
        y, x = torch.meshgrid(middles, middles, indexing="ij")
        parts.append(torch.stack((x, y), -1).reshape(-1, 2).repeat_interleave(run * per_layer, 0))
        position += run
    return torch.cat(parts)


def best_of(scores: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the `CANDIDATES` best of scores (N, A), best first, and which anchors have them; (N, C) each.

    On a GPU all scores and None: there more steps take longer than more anchors.
    """
    if not scores.is_cpu:
        return scores, None
    best, which = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)
    return best, which


def decode(raw: Tensor, centres: Tensor, which: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return boxes (N, C, 4) and points (N, C, K, 2) in pixels of the input, float32.

    They are those of the anchors `which` (N, C), or of all of them. `raw` (N, A, 4 + 2 K) are centre, size
    and points in pixels, relative to the anchors' `centres` (A, 2): what `TensorsToDetectionsCalculator`
    does with `reverse_output_order`, a scale of the input's size and anchors of 1.
    """
    if which is not None:
        raw = raw.gather(1, which[..., None].expand(-1, -1, raw.shape[-1]))
        centres = centres[which]
    raw = raw.float()
    middle = raw[..., :2] + centres
    half = raw[..., 2:4] / 2
    points = raw[..., 4:].reshape(*raw.shape[:-1], -1, 2) + centres[..., None, :]
    return torch.cat((middle - half, middle + half), -1), points


class Answers:
    """What detectors of one kind say of pictures, put together: one answer for each body or face."""

    def __init__(
        self, device: torch.device, centres: Sequence[Tensor], points: int, limit: int, overlap: float
    ) -> None:
        """`centres` (A, 2) are each detector's `anchors`; see `merged` for the rest."""
        self._device = device
        self._centres = [one.to(device) for one in centres]
        self._limit, self._overlap = limit, overlap
        answers = [row for one in centres for row in (floats(len(one), 4 + 2 * points), floats(len(one)))]
        self._steps = Steps(device, self._read, floats(len(centres), 5), *answers, most=MOST_PICTURES)
        self._facts = lru_cache(MOST_SIZES)(self._facts_of)

    def __call__(
        self, fits: Sequence[Fit], thresholds: Sequence[float] | Tensor, *answers: Tensor
    ) -> Detections:
        """Return the answers of N pictures that are left, by `merged`.

        Of each detector: how the picture lies in its input, the lowest score, as numbers or (N, 1), and what
        `decode` takes, (N, A, 4 + 2 K) and logits (N, A).
        """
        n = len(answers[0])
        if isinstance(thresholds, Tensor):
            facts = self._facts(tuple(fits), None).expand(n, -1, -1)
            facts = torch.cat((facts, thresholds[:, None].expand(n, len(fits), 1)), -1)
        else:
            facts = self._facts(tuple(fits), tuple(thresholds)).expand(n, -1, -1)
        (found,) = self._steps(facts, *answers)
        return Detections(found[..., 0], found[..., 1:5], found[..., 5:].reshape(n, self._limit, -1, 2))

    def _facts_of(self, fits: Sequence[Fit], thresholds: Sequence[float] | None) -> Tensor:
        rows: list[tuple[float, ...]] = [fit.offset + fit.scale for fit in fits]
        if thresholds is not None:
            rows = [(*row, least) for row, least in zip(rows, thresholds, strict=True)]
        return upload(np.array([rows], np.float32), self._device)

    def _read(self, facts: Tensor, *answers: Tensor) -> tuple[Tensor]:
        scores, values = [], []
        for number, centres in enumerate(self._centres):
            raw, logits = answers[2 * number : 2 * number + 2]
            offset, scale, least = torch.split(facts[:, None, None, number], [2, 2, 1], -1)
            # No more of them can be among the best of all detectors.
            chances, which = best_of(probabilities(logits, least[:, :, 0, 0]))
            scores.append(chances)
            boxes, points = decode(raw, centres, which)
            corners = torch.cat((torch.unflatten(boxes, -1, (2, 2)), points), -2)
            values.append(((corners - offset) * scale).flatten(2))
        return (merged(torch.cat(scores, 1), torch.cat(values, 1), self._limit, self._overlap),)


def merged(scores: Tensor, values: Tensor, limit: int, overlap: float) -> Tensor:
    """Return (N, limit, 1 + V), score first, of `scores` (N, A) and `values` (N, A, V), box first.

    A score of 0 takes no part. Again and again the best one is taken; itself and all others left whose
    intersection over union with it is above `overlap` become one, weighted by score, with the best one's
    score: `NonMaxSuppressionCalculator` with `WEIGHTED`.
    """
    scores, best = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)
    values = values.gather(1, best[..., None].expand(-1, -1, values.shape[-1]))
    overlaps = _is_overlapping(values[..., :4], overlap)
    # Sorted already, so the best one left is the first one left.
    left = scores > 0
    found = scores.new_zeros(scores.shape[0], limit, values.shape[-1] + 1)
    for number in range(limit):
        if left.device.type == "cpu" and not left.any():
            break
        first = left.to(torch.uint8).argmax(1, keepdim=True)
        group = overlaps.gather(1, first[..., None].expand(-1, -1, left.shape[1]))[:, 0] & left
        weights = scores * group
        mean = torch.bmm(weights[:, None], values)[:, 0] / weights.sum(1, keepdim=True).clamp_(min=1e-9)
        found[:, number, 0] = (scores * left).gather(1, first)[:, 0]
        found[:, number, 1:] = mean
        # A box without area overlaps nothing, not even itself.
        left = (left & ~group).scatter(1, first, False)
    return found


def _is_overlapping(boxes: Tensor, overlap: float) -> Tensor:
    """Return (N, A, A) bool: the intersection over union is above `overlap`."""
    near = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    far = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    common = (far - near).clamp_(min=0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
    # As a product: nothing to divide where both have no area.
    return common > overlap * (area[:, :, None] + area[:, None] - common)


def probabilities(logits: Tensor, threshold: float | Tensor) -> Tensor:
    """Return the sigmoid of `logits` as float32, 0 where it is below `threshold`."""
    scores = logits.float().clamp(-MAX_LOGIT, MAX_LOGIT).sigmoid_()
    return scores * (scores >= threshold)
