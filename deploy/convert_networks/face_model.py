"""MediaPipe's model of a face, its canonical mesh, as arrays: points, texture coordinates, triangles,
weights.

The file is a protocol buffer, `GeometryPipelineMetadata` (`face_geometry/protos/` in MediaPipe). It has so
few fields that a reader of the wire format is shorter than a generated one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PACKAGE = "npm @mediapipe/face_mesh 0.4.1657299874"
CONTAINER = "face_mesh_solution_packed_assets.data"
POSITION = 3737848, 3757224
"""Of `geometry_pipeline_metadata_landmarks.binarypb` in it, by the package's loader script."""
SHA256 = "bdbcda96dfcb7da883da124aaa2c55dee49770d934f0fcc71747f8c21bdc75b4"

_MESH, _WEIGHT = 1, 2
_VERTICES, _INDICES = 3, 4
_LANDMARK, _VALUE = 1, 2
_VARINT, _BYTES, _FOUR = 0, 2, 5


def read(folder: Path) -> dict[str, np.ndarray]:
    """Return `points` (468, 3), `texture` (468, 2), `weights` (468,) float32 and `triangles` (898, 3) int16.

    Raises SystemExit if the folder has no such container, or if its content has changed.
    """
    for path in sorted(folder.rglob(CONTAINER)):
        content = path.read_bytes()[slice(*POSITION)]
        if hashlib.sha256(content).hexdigest() == SHA256:
            return parse(content)
    raise SystemExit(f"{folder} has no {CONTAINER} with the face's model; unpack {PACKAGE} there")


def parse(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of `read` from the protocol buffer."""
    vertices = np.zeros(0, np.float32)
    indices: list[int] = []
    weights: dict[int, float] = {}
    for field, value in _fields(content):
        if field == _MESH:
            parts = list(_fields(_bytes(value)))
            # Written one by one or packed, as protocol buffers may be.
            vertices = np.frombuffer(
                b"".join(_bytes(part) for number, part in parts if number == _VERTICES), "<f4"
            )
            for number, part in parts:
                if number == _INDICES:
                    indices += [part] if isinstance(part, int) else _varints(part)
        elif field == _WEIGHT:
            entry = dict(_fields(_bytes(value)))
            point = entry[_LANDMARK]
            assert isinstance(point, int)
            weights[point] = float(np.frombuffer(_bytes(entry[_VALUE]), "<f4")[0])
    rows = vertices.reshape(-1, 5)
    by_point = np.zeros(len(rows), np.float32)
    by_point[list(weights)] = list(weights.values())
    return {
        "points": rows[:, :3].copy(),
        "texture": rows[:, 3:].copy(),
        "weights": by_point,
        "triangles": np.array(indices, np.int16).reshape(-1, 3),
    }


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield key >> 3, value
            continue
        if kind not in (_BYTES, _FOUR):
            raise ValueError(f"unexpected wire type {kind}")
        length, position = _varint(content, position) if kind == _BYTES else (4, position)
        yield key >> 3, content[position : position + length]
        position += length


def _varints(content: bytes) -> list[int]:
    values = []
    position = 0
    while position < len(content):
        value, position = _varint(content, position)
        values.append(value)
    return values


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value
