"""A filter package of somebody else's, made for a test: a white square that walks, and tells where it is."""

from __future__ import annotations

from pathlib import Path

SIDE, STEP = 64, 32
_MODULE = f"""
import torch
from inference_service.filters import base


class Walking(base.Filter):
    name, title = "walking", "Walking"
    description = "A white square on black that walks, and tells where it is."

    def apply(self, batch, items):
        height, width = batch.shape[-2:]
        pictures, rows = torch.zeros_like(batch), torch.zeros(len(batch), 1)
        for number, item in enumerate(items):
            left = item.sequence * {STEP} % (width - {SIDE})
            pictures[number, :, 96:160, left : left + {SIDE}] = 255
            rows[number] = left
        read = lambda row: base.Data(
            boxes=[base.Box(float(row[0]) / width, 96 / height, {SIDE} / width, 64 / height, "square", 0.5)],
            numbers={{"left": float(row[0])}},
        )
        return base.Filtered(pictures, base.Later(rows, read))
"""
_METADATA = "Metadata-Version: 2.1\nName: walking-filter\nVersion: 1.0\n"
_ENTRY_POINTS = "[p2pcamera.filters]\nwalking = walking_filter_package:Walking\n"


def install(folder: Path) -> str:
    """Write the package into `folder`, which has to be on a worker's PYTHONPATH; returns that path."""
    metadata = folder / "walking_filter-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "walking_filter_package.py").write_text(_MODULE)
    (metadata / "METADATA").write_text(_METADATA)
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
    return str(folder)
