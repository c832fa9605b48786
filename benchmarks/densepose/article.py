"""The article's loop: detectron2's predictor at its own size, DensePose's extractor, its visualiser."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.densepose.crowd import configuration

SHORT_SIDE = 800


class Article:
    """One frame at a time, I420 in and out as a camera's."""

    def __init__(self, weights: Path, people: int, device: str, short_side: int = SHORT_SIDE) -> None:
        from densepose.vis.densepose_results import DensePoseResultsFineSegmentationVisualizer
        from densepose.vis.extractor import DensePoseResultExtractor
        from detectron2.engine import DefaultPredictor

        cfg = configuration(max_people=people, short_side=short_side)
        cfg.MODEL.DEVICE = device
        cfg.MODEL.WEIGHTS = str(weights)
        self.predictor = DefaultPredictor(cfg)
        self._extract = DensePoseResultExtractor()
        self._visualiser = DensePoseResultsFineSegmentationVisualizer(cmap=cv2.COLORMAP_VIRIDIS, alpha=1)

    def draw(self, image_bgr: npt.NDArray[np.uint8]) -> Any:
        """Return the (H, W, 3) BGR drawing."""
        instances = self.predictor(image_bgr)["instances"]
        canvas = cv2.applyColorMap(np.zeros(image_bgr.shape[:2], np.uint8), cv2.COLORMAP_VIRIDIS)
        return self._visualiser.visualize(canvas, self._extract(instances))

    def frame(self, planes: bytes, size: tuple[int, int]) -> bytes:
        """Return the filtered I420 planes of a frame of `size` (width, height)."""
        width, height = size
        i420 = np.frombuffer(planes, np.uint8).reshape(height * 3 // 2, width)
        drawn = self.draw(np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420), np.uint8))
        made: bytes = cv2.cvtColor(drawn, cv2.COLOR_BGR2YUV_I420).tobytes()
        return made

    def frame_times_ms(
        self, pictures: Sequence[bytes], size: tuple[int, int], seconds: float, warm_up: int = 5
    ) -> list[float]:
        """Return how long each frame took, for so many seconds after some to warm up."""
        for number in range(warm_up):
            self.frame(pictures[number % len(pictures)], size)
        times_ms: list[float] = []
        end_s = time.perf_counter() + seconds
        while (started_s := time.perf_counter()) < end_s:
            self.frame(pictures[len(times_ms) % len(pictures)], size)
            times_ms.append((time.perf_counter() - started_s) * 1e3)
        return times_ms
