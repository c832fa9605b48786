"""`light`: a dark face, or one before a window, becomes visible; noise is kept down, and nothing pumps.

planes ── small luma ──┐
glance (a few times a second) ── face ── exposure ── gain of each pixel ──┐
planes ── noise kept down over time ──────────────────────────────────────┴── planes

It works on the planes as cameras send them, so nothing is converted but what a glance looks at. Luma is taken
for limited range; of full range the darkest levels become black.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as nnf

from inference_service.device.colour import Colour, i420_to_rgb
from inference_service.device.laps import lap
from inference_service.filters import base
from inference_service.filters.base import Item
from inference_service.filters.light import exposure, tone
from inference_service.filters.light.exposure import Exposure, Wanted
from inference_service.filters.light.shadows import kept_share
from inference_service.filters.light.tone import Planes
from inference_service.filters.vision.calm import FRAMES_PER_S, Motion
from inference_service.filters.vision.enlarge import enlarged
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.filters.vision.networks.precision import dtype_of
from inference_service.filters.vision.people.glances import Glances
from inference_service.filters.vision.rows import Rows, upload
from inference_service.filters.vision.settings.own import OwnSettings
from shared.heap import keep_large_blocks

GLANCE_EVERY = 10
"""Frames."""
FORGOTTEN_S = 0.5
"""After so long without a frame nothing of the last one is used."""
GAMMA = 2.2
"""A gain of luma is this power of it in light."""
NOTHING, FULL = 0.02, 0.4
"""Logarithm of the gain of black below which nothing is done, and from which on all noise reduction is."""


class Light(OwnNetworks):
    """Measures (`exposure`), keeps noise down (`shadows`) and brightens (`tone`)."""

    class Params(base.Params):
        """What a page may set, live; frames with different values share a batch."""

        strength: float = Field(
            default=0.8,
            ge=0.0,
            le=1.0,
            title="Strength",
            description="How much of the missing light is added; 0 shows the camera as it is.",
        )
        most_stops: float = Field(
            default=3.5,
            ge=0.5,
            le=5.0,
            title="Most light",
            description="In stops, for the darkest places; each is twice the light, and twice the noise.",
        )
        noise_reduction: float = Field(
            default=0.7,
            ge=0.0,
            le=1.0,
            title="Noise reduction",
            description="Calms the noise that light brings out of shadows; too much makes them smooth.",
        )

    Settings = OwnSettings

    name: ClassVar[str] = "light"
    title: ClassVar[str] = "Light"
    description: ClassVar[str] = (
        "Makes a dark face visible, also before a window. A well-lit one stays as it is."
    )
    keeps_state: ClassVar[bool] = True
    works_on: ClassVar[Literal["rgb", "i420"]] = "i420"
    equal_params: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self) -> None:
        self._glances: Glances | None = None
        self._rows: Any = None

    def load(self, device: torch.device) -> None:
        """Load the networks. Raises WeightsError if their files are not those of this version."""
        if device.type == "cpu":
            keep_large_blocks()
        self._glances = Glances(device, GLANCE_EVERY, dtype_of(self.settings.precision, device))
        self._rows = Rows(row, device)

    @torch.inference_mode()
    def apply(self, batch: Tensor, items: Sequence[Item]) -> Tensor:
        """Return brighter I420 planes (N, H * 3 / 2, W) uint8 of such ones; see `Filter.apply`."""
        if self._glances is None:
            raise RuntimeError("light is not loaded")
        height = batch.shape[1] * 2 // 3
        with lap("network"):
            faces = self._glances.look(items, lambda numbers: _pictures(batch, numbers))
        strength, most, calm = self._rows.stack([item.params for item in items])[..., None].unbind(1)
        small = _shrunk(batch[:, :height]).sub_(tone.BLACK)
        boxes = faces.boxes * (small.shape[2] / height)
        levels = (small * (1 / tone.RANGE)).clamp(0, 1)
        exposed = _moved(items, exposure.wanted(levels, boxes, faces.is_real, strength))
        need = exposed.motion.at
        # The gain of black, without noise: how much there is to do.
        effort = (need[:, :1] - 3 * need[:, 1:]).clamp(min=0)
        if batch.is_cpu and bool((effort < NOTHING).all()):
            for item in items:
                item.state.pop("shadows", None)
        else:
            calm = (calm * (effort / FULL).clamp(max=1))[..., None, None]
            with lap("noise"):
                planes = _quietened(_planes(batch), items, calm)
            with lap("draw"):
                made = _joined(tone.brightened(planes, small, need, most[..., None, None], calm))
            for number, item in enumerate(items):
                item.state["shadows"] = Planes(*(plane[number].half() for plane in planes))
            batch = made
        _remember(exposed, items)
        return batch


def row(params: Light.Params) -> np.ndarray:
    """Return strength, largest gain of luma and noise reduction; float32."""
    return np.array((params.strength, 2 ** (params.most_stops / GAMMA), params.noise_reduction), np.float32)


def _pictures(batch: Tensor, numbers: Sequence[int]) -> Tensor:
    some = batch if len(numbers) == len(batch) else torch.stack([batch[number] for number in numbers])
    return i420_to_rgb(some, Colour())


def _shrunk(luma: Tensor) -> Tensor:
    """Return (N, 1, h, w) float32 levels of (N, H, W) uint8 luma."""
    size = tone.small_size(*luma.shape[1:])
    if not luma.is_cpu:
        return nnf.interpolate(luma[:, None].float(), size, mode="area")
    small = [cv2.resize(one, size[::-1], interpolation=cv2.INTER_AREA) for one in luma.numpy()]
    return torch.from_numpy(np.stack(small))[:, None].float()


def _planes(batch: Tensor) -> Planes:
    count, rows, width = batch.shape
    height = rows * 2 // 3
    chroma = batch[:, height:].reshape(count, 2, height // 2, width // 2)
    return Planes(batch[:, None, :height].float().sub_(tone.BLACK), chroma.float().sub_(tone.GREY))


def _joined(planes: Planes) -> Tensor:
    count, _, height, width = planes.luma.shape
    made = torch.empty((count, height * 3 // 2, width), dtype=torch.uint8, device=planes.luma.device)
    chroma = planes.chroma.reshape(count, height // 2, width)
    for part, own, zero in (
        (made[:, :height], planes.luma[:, 0], tone.BLACK),
        (made[:, height:], chroma, tone.GREY),
    ):
        if made.is_cpu:
            # A third of torch's time.
            for into, one in zip(part.numpy(), own.numpy(), strict=True):
                cv2.add(one, np.array([zero], np.float64), into, dtype=cv2.CV_8U)
        else:
            # Rounded by the half, as a level is cut off to a whole one.
            part.copy_(own.add_(zero + 0.5).clamp_(0, 255))
    return made


def _quietened(planes: Planes, items: Sequence[Item], calm: Tensor) -> Planes:
    """Return planes with less noise; the first ones of a session are returned as they are."""
    kept = [item.state.get("shadows") if _is_near(item) else None for item in items]
    if not any(kept):
        return planes
    last = Planes(
        *(
            torch.stack([new[n].half() if one is None else one[part] for n, one in enumerate(kept)]).float()
            for part, new in enumerate(planes)
        )
    )
    share = kept_share(planes.luma, last.luma, calm)
    whole = enlarged(share, (planes.luma.shape[2], planes.luma.shape[3]))
    return Planes(planes.luma.lerp_(last.luma, whole), planes.chroma.lerp_(last.chroma, share))


def _moved(items: Sequence[Item], now: Wanted) -> Exposure:
    new = exposure.begun(now)
    before: list[Exposure | None] = [item.state.get("exposure") if _is_near(item) else None for item in items]
    frames = [
        0 if one is None else item.sequence - item.state["sequence"]
        for item, one in zip(items, before, strict=True)
    ]
    rows = [
        (new.motion.at[n], new.motion.speed[n], new.goal[n], new.absent_s[n])
        if one is None
        else (one.motion.at, one.motion.speed, one.goal, one.absent_s)
        for n, one in enumerate(before)
    ]
    at, speed, goal, absent_s = (torch.stack(part) for part in zip(*rows, strict=True))
    passed_s = upload(np.array(frames, np.float32) / FRAMES_PER_S, now.need.device)[:, None]
    return exposure.moved(Exposure(Motion(at, speed), goal, absent_s), now, passed_s)


def _is_near(item: Item) -> bool:
    passed = item.sequence - item.state.get("sequence", item.sequence)
    return "exposure" in item.state and 0 <= passed <= FORGOTTEN_S * FRAMES_PER_S


def _remember(exposed: Exposure, items: Sequence[Item]) -> None:
    for number, item in enumerate(items):
        motion = Motion(exposed.motion.at[number].clone(), exposed.motion.speed[number].clone())
        kept = Exposure(motion, exposed.goal[number].clone(), exposed.absent_s[number].clone())
        item.state.update(exposure=kept, sequence=item.sequence)
