"""Stores what LiteRT makes of the photographs with MediaPipe's files, for tests that have neither.

    python -m tests.inference_service.filters.vision.networks.people.store_reference FOLDER

FOLDER as for `deploy.convert_networks`. Of large outputs some values are stored: of detectors the anchors
with the highest scores, of pictures every eighth pixel.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from deploy.convert_networks.__main__ import SOURCES, Source, find
from tests.inference_service.filters.vision.networks.people.photographs import NAMES, network_input

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


def lite_outputs(source: Source, folder: Path, photograph: str) -> dict[str, np.ndarray]:
    """Return LiteRT's outputs by our names, NCHW where they are pictures, without a batch dimension."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(find(source, folder)), num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    _, height, width, _ = entry["shape"]
    picture = network_input(photograph, source.name, (int(height), int(width)))
    interpreter.set_tensor(entry["index"], picture.permute(0, 2, 3, 1).contiguous().numpy())
    interpreter.invoke()
    given = interpreter.get_output_details()
    outputs = {
        name: interpreter.get_tensor(given[position]["index"])[0] for name, position in source.outputs.items()
    }
    return {
        name: value.transpose(2, 0, 1) if value.ndim == 3 and value.shape[0] > 1 else value
        for name, value in outputs.items()
    }


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
