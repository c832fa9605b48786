"""What the picture is held to: detectron2's own way from a picture to DensePose's own visualiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

Image = npt.NDArray[np.uint8]


class Reference:
    """One picture at a time: model, extractor, visualiser in viridis on an opaque background."""

    def __init__(self, cfg: Any, weights: Path) -> None:
        from densepose.vis.densepose_results import DensePoseResultsFineSegmentationVisualizer
        from densepose.vis.extractor import DensePoseResultExtractor
        from detectron2.checkpoint import DetectionCheckpointer
        from detectron2.data import transforms
        from detectron2.modeling import build_model

        self.model = build_model(cfg).eval()
        DetectionCheckpointer(self.model).load(str(weights))
        self._resize = transforms.ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST] * 2, cfg.INPUT.MAX_SIZE_TEST)
        self._extract = DensePoseResultExtractor()
        self._visualiser = DensePoseResultsFineSegmentationVisualizer(cmap=cv2.COLORMAP_VIRIDIS, alpha=1)

    @torch.no_grad()
    def instances(self, image_rgb: Image) -> Any:
        """Return detectron2's instances for a (H, W, 3) picture, as its DefaultPredictor does."""
        image_bgr = image_rgb[..., ::-1]
        resized = self._resize.get_transform(image_bgr).apply_image(image_bgr)
        values = torch.as_tensor(resized.astype("float32").transpose(2, 0, 1))
        height, width = image_rgb.shape[:2]
        return self.model([{"image": values, "height": height, "width": width}])[0]["instances"]

    def draw(self, image_rgb: Image) -> Image:
        """Return the (H, W, 3) RGB picture that DensePose's visualiser draws."""
        background = cv2.applyColorMap(np.zeros(image_rgb.shape[:2], np.uint8), cv2.COLORMAP_VIRIDIS)
        drawn = self._visualiser.visualize(background, self._extract(self.instances(image_rgb)))
        return np.ascontiguousarray(drawn[..., ::-1])
