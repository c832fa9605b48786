"""A filter package of somebody else's, made for tests: private ones, slow ones, one that remembers."""

from __future__ import annotations

from pathlib import Path

FPS = 15
"""Of the cameras that `steady` is made for."""
STEADY_S = 0.2

_MODULE = """
import math
import os
import time

from inference_service.filters import base
from pydantic import Field, field_validator


class Mask(base.Filter):
    name = "mask"
    title = "Nothing of the camera"
    is_private = True
    equal_params = frozenset({"slow_ms", "fails"})

    class Params(base.Params):
        fails: bool = False
        slow_ms: int = Field(0, ge=0, le=5000)
        level: int = Field(90, ge=0, le=255)
        picture: str = Field("", title="Picture")

        @field_validator("picture")
        @classmethod
        def _decoded(cls, value):
            if value == "not a picture":
                raise ValueError("expected a picture")
            return value

    def apply(self, batch, items):
        params = items[0].params
        time.sleep(params.slow_ms / 1000)
        if params.fails:
            raise ArithmeticError("told to fail")
        for one, item in zip(batch, items):
            one.fill_(item.params.level)
        return batch


class LateMask(Mask):
    name = "latemask"

    def load(self, device):
        time.sleep(float(os.environ["LATE_S"]))


class Late(base.Filter):
    name = "late"
    title = "Loads slowly"

    def load(self, device):
        time.sleep(float(os.environ["LATE_S"]))

    def apply(self, batch, items):
        return 255 - batch


FRAMES = @FRAMES@


class Steady(base.Filter):
    name = "steady"
    title = "The patch of the picture, steadied over a fifth of a second"
    keeps_state = True

    def apply(self, batch, items):
        height, width = batch.shape[-2] // 6, batch.shape[-1] // 8
        for one, item in zip(batch, items):
            now, state = one[:, :height, :width].float().mean(), item.state
            frames = item.sequence - state.get("sequence", item.sequence)
            mean = now + (state.get("mean", now) - now) * math.exp(-frames / FRAMES)
            one[:, :height, :width] = mean.round().to(one.dtype)
            state.update(mean=mean, sequence=item.sequence)
        return batch
"""
_METADATA = "Metadata-Version: 2.1\nName: family-filters\nVersion: 1.0\n"
_CLASSES = {"mask": "Mask", "latemask": "LateMask", "late": "Late", "steady": "Steady"}


def install(folder: Path) -> str:
    """Write the package into `folder`, which has to be on a worker's PYTHONPATH; returns that path."""
    metadata = folder / "family_filters-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "family_filters_package.py").write_text(_MODULE.replace("@FRAMES@", str(STEADY_S * FPS)))
    (metadata / "METADATA").write_text(_METADATA)
    lines = [f"{name} = family_filters_package:{cls}" for name, cls in _CLASSES.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[p2pcamera.filters]", *lines, ""]))
    return str(folder)
