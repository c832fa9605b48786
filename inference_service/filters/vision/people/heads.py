"""Where heads are, from the points of people: middle, size and tilt, rather too large than too small.

Proportions are those of an adult: 22 cm from chin to crown, 15 between the ears, 6.3 between the eyes, 36
between the shoulder joints. Each visible distance gives a size. The largest counts, since a turned head
shows its distances shortened and never lengthened.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NOSE, EYES, EARS, SHOULDERS = 0, (1, 2), (3, 4), (5, 6)
"""Left (the person's own), then right."""
BY_EARS, BY_EYES, BY_NOSE_AND_EYES = 0.73, 1.7, 2.0
BY_EYE_AND_EAR, BY_NOSE_AND_EAR, BY_SHOULDERS = 1.2, 0.95, 0.25
"""Radius against a distance."""
POINT_MARGIN = 1.25
"""Every point of a face lies so far inside."""
SHOULDERS_RADIUS, SHOULDERS_RISE = 0.36, 0.68
"""Of a head without a face, against the distance between its shoulders: radius, and height above them."""
BOX_RADIUS = 0.5
"""Of a head of which nothing is seen, against the shorter side of the person's box, at whose top it lies."""
LEAST, MOST = 0.15, 0.75
"""Radius against the shorter and the longer side of the box, whatever the points say."""


class Heads(NamedTuple):
    """K heads in each of N pictures, float32, in pixels."""

    centre: Tensor
    """(N, K, 2), x and y."""
    radius: Tensor
    """(N, K), half the height from chin to crown."""
    axis: Tensor
    """(N, K, 2), of length 1: from the left to the right of the upright head as one sees it."""


def heads_of(place: Tensor, score: Tensor, boxes: Tensor, min_point_score: float) -> Heads:
    """Return the head of each person, from `place` (N, K, 17, 2), `score` (N, K, 17) and `boxes` (N, K, 4).

    A point counts where its score is higher than `min_point_score`. A head from behind, or hidden, shows no
    point of the face: it is assumed above the shoulders. Without these it is assumed at the top of the box.
    """
    is_seen = score > min_point_score
    sides = boxes[..., 2:] - boxes[..., :2]
    shorter, longer = sides.amin(-1), sides.amax(-1)
    eyes, has_eye = _middle(place, is_seen, EYES)
    ears, has_ear = _middle(place, is_seen, EARS)
    nose, has_nose = place[..., NOSE, :], is_seen[..., NOSE]
    # Seen from the side, the ear is nearest to the middle; of a face that looks this way, it is not.
    has_one_ear = has_ear & ~is_seen[..., _both(EARS)].all(-1)
    is_front = is_seen[..., _both(EYES)].all(-1)
    eyes_share = torch.where(has_one_ear & ~is_front, 0.5, 1.0) * has_eye
    ears_share = torch.where(has_one_ear & is_front, 0.25, 1.0) * has_ear
    nose_share = torch.where(has_eye | has_ear, 0.25, 1.0) * has_nose
    shares = torch.stack((eyes_share, ears_share, nose_share), dim=-1)
    middles = torch.stack((eyes, ears, nose), dim=-2)
    total = shares.sum(-1)
    face = (shares[..., None] * middles).sum(-2) / total.clamp(min=1e-3)[..., None]
    has_face = total > 0
    radius = _face_radius(place, is_seen, eyes, has_eye, face)
    # Above the shoulders, on the side that is up.
    across = _between(place, *SHOULDERS)
    has_shoulders = is_seen[..., _both(SHOULDERS)].all(-1)
    rise = torch.stack((across[..., 1], -across[..., 0]), dim=-1)
    rise = torch.where(rise[..., 1:] > 0, -rise, rise)
    above = place[..., _both(SHOULDERS), :].mean(-2) + SHOULDERS_RISE * rise
    width = torch.linalg.vector_norm(across, dim=-1)
    radius = torch.where(has_face & has_shoulders, torch.maximum(radius, BY_SHOULDERS * width), radius)
    blind = BOX_RADIUS * shorter
    top = torch.stack((boxes[..., 0] + sides[..., 0] / 2, boxes[..., 1] + blind), dim=-1)
    centre = torch.where(has_shoulders[..., None], above, top)
    other = torch.where(has_shoulders, SHOULDERS_RADIUS * width, blind)
    radius = torch.where(has_face, radius, other).clamp(min=1)
    radius = torch.minimum(torch.maximum(radius, LEAST * shorter), MOST * longer.clamp(min=1))
    return Heads(torch.where(has_face[..., None], face, centre), radius, _axis(place, is_seen))


def _face_radius(place: Tensor, is_seen: Tensor, eyes: Tensor, has_eye: Tensor, face: Tensor) -> Tensor:
    """Return the largest of the radii (N, K) that the distances between points of the face give."""
    nose, has_nose = place[..., NOSE, :], is_seen[..., NOSE]
    pairs = [(BY_EARS, *EARS), (BY_EYES, *EYES)]
    pairs += [(BY_EYE_AND_EAR, eye, ear) for eye, ear in zip(EYES, EARS, strict=True)]
    pairs += [(BY_NOSE_AND_EAR, NOSE, ear) for ear in EARS]
    radii = [
        share
        * torch.linalg.vector_norm(_between(place, one, other), dim=-1)
        * (is_seen[..., one] & is_seen[..., other])
        for share, one, other in pairs
    ]
    radii.append(BY_NOSE_AND_EYES * torch.linalg.vector_norm(nose - eyes, dim=-1) * (has_nose & has_eye))
    away = torch.linalg.vector_norm(place[..., : EARS[1] + 1, :] - face[..., None, :], dim=-1)
    radii.append(POINT_MARGIN * (away * is_seen[..., : EARS[1] + 1]).amax(-1))
    return torch.stack(radii).amax(0)


def _axis(place: Tensor, is_seen: Tensor) -> Tensor:
    axis = torch.zeros_like(place[..., 0, :])
    for left, right in (EYES, EARS):
        # Seen from behind, left and right are exchanged; nobody stands on their head.
        across = _between(place, left, right)
        across = torch.where(across[..., :1] < 0, -across, across)
        axis = axis + across * (is_seen[..., left] & is_seen[..., right])[..., None]
    length = torch.linalg.vector_norm(axis, dim=-1, keepdim=True)
    upright = torch.cat((torch.ones_like(length), torch.zeros_like(length)), dim=-1)
    return torch.where(length > 1e-3, axis / length.clamp(min=1e-3), upright)


def _both(pair: tuple[int, int]) -> slice:
    # A list of places would be moved up to the device each time.
    return slice(pair[0], pair[1] + 1)


def _between(place: Tensor, left: int, right: int) -> Tensor:
    return place[..., left, :] - place[..., right, :]


def _middle(place: Tensor, is_seen: Tensor, pair: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the mean of those of two points that are seen, (N, K, 2), and whether one is."""
    share = is_seen[..., _both(pair)].to(torch.float32)
    total = share.sum(-1)
    mean = (place[..., _both(pair), :] * share[..., None]).sum(-2) / total.clamp(min=1)[..., None]
    return mean, total > 0
