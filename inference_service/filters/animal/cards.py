"""Where an animal's drawings are on a head: flat cards in centimetres, in the axes of the face model.

ears ── on the head ── nose ── before the tip of the nose ── whiskers ── beside the upper lip
tongue, teeth ── in the mouth, as long as it is open
"""

from __future__ import annotations

import math
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from inference_service.filters.animal.art.coats import COATS, Coat, Kind
from inference_service.filters.vision.networks.people import face_topology as face
from inference_service.filters.vision.networks.people.face_topology import face_model
from inference_service.filters.vision.people.head_pose import HeadPoses

KINDS: tuple[Kind, ...] = get_args(Kind)
EARS, MOUTH, WHISKERS, NOSE = (0, 1), 2, (3, 4), 5
"""The cards of an animal, those behind first; of two the one on the right of the picture is first."""
CARDS = 6
SPRITES = ("ear", "ear", "mouth", "whiskers", "whiskers", "nose")
EAR_GRID = 24
SKULL_MIDDLE, SKULL_HALF = (0.0, 2.2, -2.6), (7.4, 9.6, 8.6)
"""The head as an ellipsoid, behind which ears go."""
LIP_TOP = 164
"""The point of the mesh between nose and upper lip."""
MOUTH_AT = (0.0, -4.0, 5.2)
LONGEST_TONGUE = 5.2
TONGUE_OPENS, TEETH_OPEN = (0.1, 0.3), (0.02, 0.09)
"""Openings of the lips against the mouth's width between which tongue and teeth come out."""


class _Card(NamedTuple):
    """`root` stays where it is when the card grows; `(u, v)` of the drawing is at the root."""

    root: tuple[float, float, float]
    across: tuple[float, float, float]
    down: tuple[float, float, float]
    u: float
    v: float


class Placed(NamedTuple):
    """The cards of K heads."""

    maps: Tensor
    """(K, CARDS, 3, 3): from (u, v, 1), 0..1 across and down the drawing, to homogeneous pixels."""
    opacity: Tensor
    """(K, CARDS), 0 to 1."""
    across: Tensor
    down: Tensor
    """(K, CARDS, 3), of length 1: where u and v go, to the picture's right, down, and away."""
    past_head: Tensor
    """(K, 2, EAR_GRID, EAR_GRID), 0 to 1: how much of each ear is seen past the head."""
    on_head: Tensor
    """The same shape: how much of the head is seen behind each place of an ear."""


class Cards:
    """All animals' cards, on one device."""

    def __init__(self, device: torch.device) -> None:
        cards = [_cards(COATS[kind]) for kind in KINDS]
        self._root, self._across, self._down = (
            torch.tensor([[card[part] for card in own] for own in cards], device=device) for part in range(3)
        )
        self._at = torch.tensor([[(card.u, card.v) for card in own] for own in cards], device=device)
        self._has_whiskers = torch.tensor([float(COATS[kind].whiskers > 0) for kind in KINDS], device=device)
        self._is_tongue = torch.tensor([COATS[kind].mouth == "tongue" for kind in KINDS], device=device)
        model = face_model().points
        hooks = torch.stack((torch.tensor(MOUTH_AT), model[LIP_TOP], model[face.NOSE_TIP]))
        self._hooks = hooks[None].to(device)
        self._skull_middle = torch.tensor(SKULL_MIDDLE, device=device)
        self._skull_half = torch.tensor(SKULL_HALF, device=device)
        steps = (torch.arange(EAR_GRID, device=device, dtype=torch.float32) + 0.5) / EAR_GRID
        self._u, self._v = steps[None, :, None], steps[:, None, None]
        self._grows = torch.tensor([[1.0], [1.0], [0.0], [0.0], [0.0], [0.0]], device=device)

    def place(self, poses: HeadPoses, points: Tensor, kinds: Tensor, size: Tensor) -> Placed:
        """Return the cards of animals of `kinds` (K,) int64 on heads whose meshes are `points` (K, 468, 3).

        `size` (K,): of ears, against their own.
        """
        root, across, down = self._root[kinds], self._across[kinds], self._down[kinds]
        length, shown = self._mouth(poses, points, kinds)
        mouth = down[:, MOUTH] * length[:, None]
        down = torch.cat((down[:, :MOUTH], mouth[:, None], down[:, MOUTH + 1 :]), 1)
        grown = 1 + self._grows * (size[:, None, None] - 1)
        across, down = across * grown, down * grown
        u, v = self._at[kinds].chunk(2, -1)
        origin = root - u * across - v * down
        maps = _shifted(poses.homographies(origin, across, down), self._shifts(poses, points, kinds))
        turn = poses.rotation.transpose(1, 2)
        to_right, to_below = _unit(across @ turn), _unit(down @ turn)
        # A card that is seen from its edge fades.
        facing = torch.linalg.cross(to_right, to_below, dim=-1)[..., 2].abs()
        opacity = ((facing - 0.06) / 0.2).clamp(0, 1)
        whiskers = self._has_whiskers[kinds]
        one = torch.ones_like(shown)
        opacity = opacity * torch.stack((one, one, shown, whiskers, whiskers, one), 1)
        past, behind = self._past_head(poses, origin[:, :2], across[:, :2], down[:, :2])
        return Placed(maps, opacity, to_right, to_below, past, behind)

    def _mouth(self, poses: HeadPoses, points: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Return the length of the mouth's card against its own, and how much of it is shown, (K,) each."""
        upper, lower = (points[:, point] for point in face.LIP_MIDDLES)
        right, left = (points[:, point] for point in face.MOUTH_CORNERS)
        gap = torch.linalg.vector_norm(upper - lower, dim=-1)
        opening = gap / torch.linalg.vector_norm(right - left, dim=-1).clamp(min=1e-3)
        is_tongue = self._is_tongue[kinds]
        first, last = (
            torch.where(is_tongue, tongue, teeth)
            for tongue, teeth in zip(TONGUE_OPENS, TEETH_OPEN, strict=True)
        )
        shown = ((opening - first) / (last - first)).clamp(0, 1)
        shown = shown * shown * (3 - 2 * shown)
        length = (gap / poses.scale.clamp(min=1e-3) + 2.2 * shown).clamp(0.3, LONGEST_TONGUE)
        return torch.where(is_tongue, length, 0.4 + 0.6 * shown), shown

    def _shifts(self, poses: HeadPoses, points: Tensor, kinds: Tensor) -> Tensor:
        """Return (K, CARDS, 2) pixels: cards move to what they hang on, as no face is the average one."""
        upper, lower = (points[:, point, :2] for point in face.LIP_MIDDLES)
        mouth = torch.where(self._is_tongue[kinds][:, None], torch.lerp(upper, lower, 0.3), upper)
        seen = torch.stack((mouth, points[:, LIP_TOP, :2], points[:, face.NOSE_TIP, :2]), 1)
        mouth, lip, nose = (seen - poses.project(self._hooks)).unbind(1)
        none = torch.zeros_like(nose)
        return torch.stack((none, none, mouth, lip, lip, nose), 1)

    def _past_head(
        self, poses: HeadPoses, origin: Tensor, across: Tensor, down: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Follow the ray from each place on an ear to the camera: does it pass through the skull?"""
        u, v = self._u, self._v
        places = origin[:, :, None, None] + u * across[:, :, None, None] + v * down[:, :, None, None]
        places = (places - self._skull_middle) / self._skull_half
        ray = -poses.rotation[:, 2] / self._skull_half
        ray = ray / torch.linalg.vector_norm(ray, dim=-1, keepdim=True).clamp(min=1e-6)
        ahead = -(places * ray[:, None, None, None]).sum(-1)
        nearest = (places.square().sum(-1) - ahead.square()).clamp(min=0).sqrt()
        through = ((1.02 - nearest) / 0.08).clamp(0, 1) * (ahead / 0.2).clamp(0, 1)
        return 1 - through, ((1.06 - nearest) / 0.2).clamp(0, 1)


def _cards(coat: Coat) -> list[_Card]:
    lean, turn = math.radians(coat.ear_lean), math.radians(coat.ear_turn)
    width, height = coat.ear_size
    up = (math.sin(lean), math.cos(lean), 0.0)
    out = (math.cos(turn) * math.cos(lean), -math.cos(turn) * math.sin(lean), -math.sin(turn))
    at = (0.16, 0.2) if coat.ear.hangs else (0.5, 0.88)
    ear = _Card(coat.ear_at, _times(out, width), _times(up, -height), *at)
    hair = _Card((2.0, -2.9, 5.3), (8.6, 0.5, -3.4), (0.0, -7.0, 0.0), 0.03, 0.5)
    mouth = {
        "tongue": _Card(MOUTH_AT, (3.3, 0.0, 0.0), (0.0, -1.0, 0.12), 0.5, 0.0),
        "incisors": _Card(MOUTH_AT, (2.3, 0.0, 0.0), (0.0, -1.75, 0.0), 0.5, 0.06),
        "fangs": _Card(MOUTH_AT, (3.3, 0.0, 0.0), (0.0, -1.7, 0.0), 0.5, 0.06),
    }[coat.mouth]
    wide, high = coat.nose_size
    nose = _Card((0.0, -0.55, 7.9), (wide, 0.0, 0.0), (0.0, -high, -0.3 * high), 0.5, 0.46)
    return [ear, _mirrored(ear), mouth, hair, _mirrored(hair), nose]


def _mirrored(card: _Card) -> _Card:
    root, across, down = (_across_the_face(vector) for vector in card[:3])
    return _Card(root, across, down, card.u, card.v)


def _across_the_face(vector: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = vector
    return -x, y, z


def _times(vector: tuple[float, float, float], number: float) -> tuple[float, float, float]:
    x, y, z = vector
    return x * number, y * number, z * number


def _shifted(maps: Tensor, shifts: Tensor) -> Tensor:
    """Return maps (..., 3, 3) to places that lie (..., 2) pixels farther."""
    moved = maps[..., :2, :] + shifts[..., None] * maps[..., 2:, :]
    return torch.cat((moved, maps[..., 2:, :]), -2)


def _unit(vectors: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.clamp(min=1e-6)
