"""A filter package of somebody else's, made for a test: a parameter of every kind, a colour to see."""

from __future__ import annotations

from pathlib import Path

_MODULE = """
import base64
import io
from typing import Literal

from inference_service.filters import base
from PIL import Image
from pydantic import Field, field_validator


class Palette(base.Filter):
    name = "palette"
    title = "Palette"
    description = "One colour over the picture."

    class Params(base.Params):
        amount: float = Field(1.0, ge=0, le=1, title="Amount", description="How much of the colour.")
        levels: int = Field(4, ge=2, le=16, title="Levels")
        bright: bool = Field(True, title="Bright")
        shape: Literal["plain", "round"] = Field("plain", title="Shape")
        tint: str = Field("#0000ff", pattern="^#[0-9a-fA-F]{6}$", title="Tint")
        note: str = Field("hello", max_length=20, title="Note", json_schema_extra={"not": {"const": "rude"}})
        seed: int | None = Field(None, ge=0, title="Seed")
        parts: tuple[Literal["head", "hands"], ...] = Field((), title="Parts")
        paper: str = Field("", max_length=700_000, title="Paper", json_schema_extra={
            "contentMediaType": "image/*", "contentEncoding": "base64"})

        @field_validator("note")
        @classmethod
        def _is_fine(cls, value):
            # Which the schema does not say.
            if value == "coarse":
                raise ValueError("expected a fine word")
            return value

    def apply(self, batch, items):
        tints = [mean_of(item.params.paper) if item.params.paper else
                 [int(item.params.tint[at : at + 2], 16) for at in (1, 3, 5)] for item in items]
        colour = batch.new_tensor(tints)[:, :, None, None].float()
        amount = items[0].params.amount
        return (batch * (1 - amount) + colour * amount).to(batch.dtype)


def mean_of(data_url):
    picture = Image.open(io.BytesIO(base64.b64decode(data_url.split(",")[1])))
    assert picture.format == "JPEG" and max(picture.size) <= 1280
    return picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
"""
_METADATA = "Metadata-Version: 2.1\nName: palette-filter\nVersion: 1.0\n"
_ENTRY_POINTS = "[p2pcamera.filters]\npalette = palette_filter_package:Palette\n"


def install(folder: Path) -> str:
    """Write the package into `folder`, which has to be on a worker's PYTHONPATH; returns that path."""
    metadata = folder / "palette_filter-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "palette_filter_package.py").write_text(_MODULE)
    (metadata / "METADATA").write_text(_METADATA)
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
    return str(folder)
