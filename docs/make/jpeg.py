"""Pictures for documents: side by side, and as small files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from harness.photograph import Image

LARGEST_BYTES = 300_000


def beside(*images_rgb: Image) -> Image:
    """Return pictures of one height side by side."""
    return np.hstack(images_rgb)


def write_jpeg(path: Path, image_rgb: Image, largest_bytes: int = LARGEST_BYTES) -> None:
    """Write the best JPEG that a document should carry."""
    for quality in range(95, 40, -5):
        _, packed = cv2.imencode(".jpg", image_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if packed.size <= largest_bytes:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.tobytes())
