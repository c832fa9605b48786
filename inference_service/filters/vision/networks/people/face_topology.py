"""What the 468 points of a face mesh are: contours by name, and the model of a face that they belong to.

Numbers of MediaPipe's face mesh: `face_mesh_connections.py` and the canonical face model, both by the
MediaPipe Authors, Apache-2.0. Right and left are the person's; the right eye is on the left of the picture.
Contours are closed unless it says so, and go round in one direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor

from inference_service.filters.vision.networks.people import files

# fmt: off
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on
"""From the middle of the hair line to the person's left, round the chin (152) and back."""
LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
"""From the right corner along the lower lip."""
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
"""From the right corner along the lower lip's upper edge; the opening of the mouth."""
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
"""From the outer corner along the lower lid."""
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
"""From the outer corner along the lower lid."""
RIGHT_BROW = (46, 53, 52, 65, 55, 107, 66, 105, 63, 70)
"""From the outer end along the lower edge, and back along the upper one."""
LEFT_BROW = (276, 283, 282, 295, 285, 336, 296, 334, 293, 300)
"""From the outer end along the lower edge, and back along the upper one."""
NOSE_BRIDGE = (168, 6, 197, 195, 5, 4, 1)
"""Open, from between the eyes down to the tip."""
NOSTRILS = (48, 64, 98, 97, 2, 326, 327, 294, 278)
"""Open, round the nose's lower edge from right to left."""

NOSE_TIP = 4
CHIN = 152
FOREHEAD = 10
RIGHT_EYE_CORNERS = 33, 133
"""Outer, inner."""
LEFT_EYE_CORNERS = 263, 362
"""Outer, inner."""
RIGHT_LIDS = 159, 145
"""Upper, lower middle: their distance tells an open eye from a closed one."""
LEFT_LIDS = 386, 374
MOUTH_CORNERS = 61, 291
"""Right, left."""
LIP_MIDDLES = 13, 14
"""Upper, lower: their distance tells an open mouth from a closed one."""
RIGHT_CHEEK, LEFT_CHEEK = 205, 425


@dataclass(frozen=True, slots=True)
class FaceModel:
    """A face of average shape, on the CPU: which points make triangles, and where they are on a real head."""

    triangles: Tensor
    """(898, 3) int64: numbers of points, counter-clockwise as seen from outside with y up."""
    points: Tensor
    """(468, 3) float32, centimetres: x to the person's left, y up, z towards the camera."""
    texture: Tensor
    """(468, 2) float32 in [0, 1]: u right, v down, of a flattened face, for drawing textures on it."""
    weights: Tensor
    """(468,) float32, most of them 0: how far a point tells the head's position apart from the mimic."""


def face_model() -> FaceModel:
    """Return the model. Raises WeightsError if its file is missing or not the one of this version."""
    arrays = load_tensors(files.content("face_model"))
    triangles = arrays["triangles"].to(torch.int64)
    return FaceModel(triangles, arrays["points"], arrays["texture"], arrays["weights"])
