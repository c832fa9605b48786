"""Makes the weights files of `inference_service/filters/vision/networks/people/weights/` from MediaPipe's.

    pip download --no-deps --only-binary=:all: --python-version 3.11 mediapipe==0.10.21
    npm pack @mediapipe/face_detection@0.4.1657300184 @mediapipe/holistic@0.5.1675471629 \\
        @mediapipe/face_mesh@0.4.1657299874
    python -m deploy.convert_networks FOLDER   # where all of them are unpacked, at any depth

Needs `ai-edge-litert` (extra `cpu`). MediaPipe itself is not needed by anything here. The files hold half
precision already, so nothing is lost. Each is found by its SHA-256 sum, and what is written has one that
`networks/people/files.py` names: print it here, put it there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from deploy.convert_networks import face_model
from deploy.convert_networks.fusing import fuse
from deploy.convert_networks.lowering import Lowering
from deploy.convert_networks.tflite import read_graph
from inference_service.filters.vision.networks.people.network import METADATA, NONZERO
from inference_service.filters.vision.networks.people.structure import dump

TARGET = Path(__file__).parent.parent.parent / "inference_service/filters/vision/networks/people/weights"
SPARSE_BELOW = 0.6
"""Share of values that are not zero, from which on their places are stored too."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of MediaPipe's; `outputs` are positions among its outputs by the names they get here."""

    name: str
    file: str
    sha256: str
    package: str
    outputs: dict[str, int]


_WHEEL = "PyPI mediapipe 0.10.21"
SOURCES = (
    Source(
        "person_wide",
        "selfie_segmentation_landscape.tflite",
        "a77d03f4659b9f6b6c1f5106947bf40e99d7655094b6527f214ea7d451106edd",
        _WHEEL,
        {"mask": 0},
    ),
    Source(
        "person_general",
        "selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        _WHEEL,
        {"mask": 0},
    ),
    Source(
        "face_near",
        "face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        _WHEEL,
        {"boxes": 0, "scores": 1},
    ),
    Source(
        "face_far",
        "face_detection_full_range.tflite",
        "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
        "npm @mediapipe/face_detection 0.4.1657300184",
        {"boxes": 0, "scores": 1},
    ),
    Source(
        "face_mesh",
        "face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        _WHEEL,
        {"points": 0, "score": 1},
    ),
    Source(
        "body_box",
        "pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        _WHEEL,
        {"boxes": 0, "scores": 1},
    ),
    Source(
        "body_points",
        "pose_landmark_lite.tflite",
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
        "npm @mediapipe/holistic 0.5.1675471629",
        {"points": 0, "score": 1, "heatmap": 3},
    ),
)


def main() -> None:
    """Convert every source; stop at the first one that the folder lacks."""
    parser = argparse.ArgumentParser(description="Convert MediaPipe's networks to this project's form.")
    parser.add_argument("folder", type=Path, help="where the packages are unpacked")
    parser.add_argument("--target", type=Path, default=TARGET)
    given = parser.parse_args()
    files = {source.name: convert(source, find(source, given.folder)) for source in SOURCES}
    origin = about(f"{face_model.CONTAINER} of {face_model.PACKAGE}", face_model.SHA256)
    files["face_model"] = save(face_model.read(given.folder), origin)
    for name, content in files.items():
        (given.target / f"{name}.safetensors").write_bytes(content)
        print(f'    "{name}": "{hashlib.sha256(content).hexdigest()}",')


def about(source: str, sha256: str, **more: object) -> dict[str, str]:
    """Return a file's metadata: where it comes from, and `more`.

    In one entry: several would be written in any order, and the file's sum would change from run to run.
    """
    entry = {
        "source": source,
        "source_sha256": sha256,
        "authors": "MediaPipe Authors",
        "licence": "Apache-2.0",
        "changes": "converted to safetensors",
        **more,
    }
    return {METADATA: json.dumps(entry, separators=(",", ":"))}


def find(source: Source, folder: Path) -> Path:
    """Return the path of the file with the source's sum. Raises SystemExit if there is none."""
    for path in sorted(folder.rglob(source.file)):
        if hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256:
            return path
    raise SystemExit(
        f"{folder} has no {source.file} with SHA-256 {source.sha256}; unpack {source.package} there"
    )


def convert(source: Source, path: Path) -> bytes:
    """Return the safetensors file made from `path`, with what the outputs need alone."""
    structure, tensors = fuse(*Lowering(read_graph(path)).run(source.outputs))
    structure = structure.pruned(tuple(source.outputs))
    needed = {str(step.output) for step in structure.steps}
    tensors = {name: tensor for name, tensor in tensors.items() if name.split(".")[0] in needed}
    stored: dict[str, np.ndarray] = {}
    for name, tensor in sorted(tensors.items()):
        half = tensor.astype(np.float16)
        if not np.array_equal(half, tensor):
            raise SystemExit(f"{source.name}: {name} does not fit in half precision")
        is_nonzero = half != 0
        if is_nonzero.mean() < SPARSE_BELOW:
            stored[name] = half[is_nonzero]
            stored[name + NONZERO] = np.packbits(is_nonzero)
        else:
            stored[name] = np.ascontiguousarray(half)
    shapes = {name: list(tensor.shape) for name, tensor in sorted(tensors.items())}
    origin = f"{source.file} of {source.package}"
    return save(stored, about(origin, source.sha256, shapes=shapes, structure=dump(structure)))


if __name__ == "__main__":
    main()
