"""A filter package of somebody else's, made for a test: each of its workers is as slow as it is told."""

from __future__ import annotations

from pathlib import Path

_MODULE = """
import os
import time

from inference_service.filters.base import Filter


class Slow(Filter):
    name = "slow"
    title = "As slow as this worker's SLOW_FILTER_MS says"
    works_on = "i420"

    def apply(self, batch, items):
        time.sleep(float(os.environ["SLOW_FILTER_MS"]) / 1000)
        return batch.clone()
"""
_METADATA = "Metadata-Version: 2.1\nName: slow-filter\nVersion: 1.0\n"
_ENTRY_POINTS = "[p2pcamera.filters]\nslow = slow_filter_package:Slow\n"


def install(folder: Path) -> str:
    """Write the package into `folder`, which has to be on a worker's PYTHONPATH; returns that path."""
    metadata = folder / "slow_filter-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "slow_filter_package.py").write_text(_MODULE)
    (metadata / "METADATA").write_text(_METADATA)
    (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
    return str(folder)
