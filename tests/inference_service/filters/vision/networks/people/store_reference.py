"""Stores what LiteRT makes of the photographs with MediaPipe's files, for tests that have neither.

    python -m tests.inference_service.filters.vision.networks.people.store_reference FOLDER

FOLDER as for `deploy.convert_networks`. Of large outputs some values are stored: of detectors the anchors
with the highest scores, of pictures every eighth pixel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from deploy.convert_networks.__main__ import SOURCES
from harness.lite import lite_outputs
from harness.network_inputs import NAMES

REFERENCE = Path(__file__).parent / "reference.npz"
EVERY = 8
BEST = 24


def main() -> None:
    """Run every network on every photograph."""
    folder = Path(sys.argv[1])
    stored = {
        f"{source.name}/{photograph}/{output}": value
        for source in SOURCES
        for photograph in NAMES
        for output, value in some(lite_outputs(source, folder, photograph)).items()
    }
    np.savez_compressed(REFERENCE, allow_pickle=False, **stored)


def some(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the values that are compared: all of small outputs, some of large ones."""
    if "boxes" in outputs:
        best = np.argsort(-outputs["scores"][:, 0], kind="stable")[:BEST]
        return {"best": best, "boxes": outputs["boxes"][best], "scores": outputs["scores"][best]}
    return {
        name: value[:, ::EVERY, ::EVERY] if value.ndim == 3 and value.shape[1] > 1 else value.reshape(-1)
        for name, value in outputs.items()
    }


if __name__ == "__main__":
    main()
