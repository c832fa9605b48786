"""Bodies from frame to frame: the last points tell where the next ones are, and looks bring new people.

On a GPU every frame is looked at, in fixed shapes, without a question to the device. On a CPU, where answers
cost nothing and networks much, a picture is looked at in its session's first frame, at once where a person
was lost, and else now and then: more often while nobody is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inference_service.filters.base import Item
from inference_service.filters.vision.networks.people import body_topology, tracking
from inference_service.filters.vision.networks.people.body_finder import BodyFinder
from inference_service.filters.vision.networks.people.body_points import POINTS as NETWORK_POINTS
from inference_service.filters.vision.networks.people.body_points import Bodies as Found
from inference_service.filters.vision.networks.people.body_points import BodyPoints
from inference_service.filters.vision.people.groups import are_same, kept, look, shoulders_of
from inference_service.filters.vision.people.limbs import chained, points_before
from inference_service.filters.vision.people.one_euro import Steady, follow
from inference_service.filters.vision.rows import upload

MOST_PEOPLE = 4
POINTS = len(body_topology.NAMES)
LOOK_EVERY, LOOK_EVERY_ALONE = 15, 4
"""Frames, by their sequence, from one look to the next: while somebody is seen, and while nobody is."""
FRAMES_PER_S = 30.0
"""What `sequence` counts, at most."""
FORGOTTEN_S = 0.5
"""After so long without a frame nothing of the last one is used."""
CALM = 0.4
"""Share of a new visibility: one that wavers about a limit does not make a limb flicker."""


class Seen(NamedTuple):
    """The people in N pictures, float32."""

    points: Tensor
    """(N, MOST_PEOPLE, 33, 2): x, y in pixels, perhaps outside of the picture; `body_topology.NAMES`."""
    visibility: Tensor
    """(N, MOST_PEOPLE, 33) 0..1."""
    scores: Tensor
    """(N, MOST_PEOPLE) 0..1: that there is a person; 0 where nobody is followed."""
    poison: Tensor
    """(N,): 0, or not finite where a network's answer is not."""


class _Raw(NamedTuple):
    """What the network says of M places in each of N pictures; 0 where it was not asked."""

    points: Tensor
    """(N, M, 39, 2)."""
    visibility: Tensor
    """(N, M, 39)."""
    scores: Tensor
    """(N, M)."""

    def where(self, is_new: Tensor, new: _Raw) -> _Raw:
        return _Raw(
            torch.where(is_new[..., None, None], new.points, self.points),
            torch.where(is_new[..., None], new.visibility, self.visibility),
            torch.where(is_new, new.scores, self.scores),
        )


class Bodies:
    """The networks, and what a session's state keeps of people, `_Memory`, under the name `bodies`."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        """Load the weights. Raises WeightsError if they are not those of this version."""
        self._device = device
        self._is_cpu = device.type == "cpu"
        self._before = torch.tensor(points_before(), device=device)
        self._find = BodyFinder(device, MOST_PEOPLE, dtype)
        self._points = BodyPoints(device, dtype)

    def see(self, batch: Tensor, items: Sequence[Item], least: Tensor, rest_hz: Tensor) -> Seen:
        """Return who is in (N, 3, H, W) uint8 pictures, and write the sessions' states.

        `least` (N,): how sure the finder must be of somebody who is new; `rest_hz` (N,): see `one_euro`. What
        is not finite in a picture is not kept, so the next one is looked at anew.
        """
        before = [_memory(item) for item in items]
        none = tracking.start(1, MOST_PEOPLE, self._device)
        places = torch.stack([none[0][0] if one is None else one.regions for one in before])
        was_tracked = torch.stack([none[1][0] if one is None else one.is_tracked for one in before])
        raw, is_tracked, looked = self._follow(batch, items, places, was_tracked, least)
        poison = (raw.points.sum((1, 2, 3)) + raw.visibility.sum((1, 2)) + raw.scores.sum(1)) * 0
        places, stays = kept(raw.points, is_tracked, raw.scores)
        # What is not finite would else stay so, in the next frames' regions too.
        stays = stays & raw.points.isfinite().all(-1).all(-1)
        places = torch.where(stays[..., None], places, 0)
        steady, visibility = _steadied(raw, places, was_tracked & stays, before, items, rest_hz)
        for number, item in enumerate(items):
            if self._is_cpu and not bool(poison[number].isfinite()):
                item.state.pop("bodies", None)
                continue
            last = before[number]
            item.state["bodies"] = _Memory(
                places[number].clone(),
                stays[number].clone(),
                Steady(steady.points[number].clone(), steady.speed[number].clone()),
                visibility[number].clone(),
                item.sequence,
                item.sequence if last is None or number in looked else last.looked,
                1 if last is None else last.looks + (number in looked),
            )
        return Seen(steady.points, chained(visibility, self._before), raw.scores * stays, poison)

    def _follow(
        self, batch: Tensor, items: Sequence[Item], places: Tensor, was_tracked: Tensor, least: Tensor
    ) -> tuple[_Raw, Tensor, Sequence[int]]:
        """Return the points of everybody, which places are taken, and the pictures that were looked at."""
        lasts = [_memory(item) for item in items]
        turns = [0 if last is None else last.looks for last in lasts]
        if not self._is_cpu:
            nobody = torch.zeros(MOST_PEOPLE, 2, device=self._device)
            shoulders = [nobody if last is None else shoulders_of(last.steady.points) for last in lasts]
            numbers, tracked = range(len(items)), (places, was_tracked, torch.stack(shoulders))
            places, is_tracked = self._join(batch, numbers, turns, tracked, least)
            return self._ask(batch, places, is_tracked), is_tracked, numbers
        raw = self._ask(batch, places, was_tracked)
        _, stays = kept(raw.points, was_tracked, raw.scores)
        states = zip(items, was_tracked.tolist(), stays.tolist(), strict=True)
        due = [number for number, of in enumerate(states) if _is_due(*of)]
        if not due:
            return raw, stays, due
        tracked = places, stays, shoulders_of(raw.points)
        places, is_tracked = self._join(batch, due, turns, tracked, least)
        is_new = is_tracked & ~stays
        return raw.where(is_new, self._ask(batch, places, is_new)), is_tracked, due

    def _join(
        self,
        batch: Tensor,
        due: Sequence[int],
        turns: Sequence[int],
        tracked: tuple[Tensor, Tensor, Tensor],
        least: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return places and is_tracked; `tracked` are these and the middles of the shoulders (N, M, 2)."""
        is_all = len(due) == len(batch)
        chosen = [one if is_all else one[due] for one in (batch, *tracked, least)]
        pictures, places, is_tracked, shoulders, least = chosen
        found = look(self._find, pictures, [turns[number] for number in due], least)
        is_same = are_same(found.shoulders, found.squares, shoulders, places)
        joined = tracking.join(places, is_tracked, found.squares, found.is_found, is_same)
        if is_all:
            return joined
        places, is_tracked = tracked[0].clone(), tracked[1].clone()
        places[due], is_tracked[due] = joined
        return places, is_tracked

    def _ask(self, batch: Tensor, places: Tensor, is_wanted: Tensor) -> _Raw:
        n, count = is_wanted.shape
        owners = torch.arange(n, device=self._device)[:, None].expand(n, count)
        raw = _Raw(
            torch.zeros(n, count, NETWORK_POINTS, 2, device=self._device),
            torch.zeros(n, count, NETWORK_POINTS, device=self._device),
            torch.zeros(n, count, device=self._device),
        )
        if not self._is_cpu:
            made = self._points(batch, places.flatten(0, 1), owners.flatten())
            parts = (made.points[..., :2], _visible(made), made.scores)
            return raw.where(is_wanted, _Raw(*(one.reshape(n, count, *one.shape[1:]) for one in parts)))
        if is_wanted.any():
            made = self._points(batch, places[is_wanted], owners[is_wanted])
            raw.points[is_wanted], raw.visibility[is_wanted] = made.points[..., :2], _visible(made)
            raw.scores[is_wanted] = made.scores
        return raw


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is kept of a session's last frame."""

    regions: Tensor
    """(MOST_PEOPLE, 4), where to look next."""
    is_tracked: Tensor
    """(MOST_PEOPLE,) bool."""
    steady: Steady
    """Of (MOST_PEOPLE, 33, 2)."""
    visibility: Tensor
    """(MOST_PEOPLE, 33)."""
    sequence: int
    looked: int
    """Sequence of the last frame that was looked at."""
    looks: int
    """How many were."""


def _visible(made: Found) -> Tensor:
    """Return how visible points are; the network calls visible what it says lies outside of the picture."""
    return torch.minimum(made.visibility, made.presence)


def _memory(item: Item) -> _Memory | None:
    last: _Memory | None = item.state.get("bodies")
    if last is None or not 0 <= item.sequence - last.sequence <= FORGOTTEN_S * FRAMES_PER_S:
        return None
    return last


def _is_due(item: Item, was_tracked: Sequence[bool], stays: Sequence[bool]) -> bool:
    last = _memory(item)
    if last is None or was_tracked != stays:
        return True
    if all(stays):
        return False
    return item.sequence - last.looked >= (LOOK_EVERY if any(stays) else LOOK_EVERY_ALONE)


def _steadied(
    raw: _Raw,
    places: Tensor,
    is_known: Tensor,
    before: Sequence[_Memory | None],
    items: Sequence[Item],
    rest_hz: Tensor,
) -> tuple[Steady, Tensor]:
    """Return points and visibility, calmed where a place `is_known` (N, M) from the last frame."""
    new, visible = raw.points[:, :, :POINTS], raw.visibility[:, :, :POINTS]
    still = torch.zeros_like(new)
    lasts = [
        Steady(points, still[number]) if one is None else one.steady
        for number, (points, one) in enumerate(zip(new, before, strict=True))
    ]
    last = Steady(*(torch.stack(parts) for parts in zip(*lasts, strict=True)))
    seen = torch.stack([v if one is None else one.visibility for v, one in zip(visible, before, strict=True)])
    frames = [
        1 if one is None else max(1, item.sequence - one.sequence)
        for item, one in zip(items, before, strict=True)
    ]
    passed_s = upload(np.array(frames, np.float32) / FRAMES_PER_S, new.device)
    calm = follow(
        new,
        last,
        places[..., 2],
        passed_s[:, None].expand(is_known.shape),
        rest_hz[:, None].expand(is_known.shape),
    )
    known = is_known[..., None, None]
    steady = Steady(torch.where(known, calm.points, new), torch.where(known, calm.speed, 0))
    return steady, torch.where(is_known[..., None], torch.lerp(seen, visible, CALM), visible)
