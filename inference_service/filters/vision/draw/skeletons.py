"""What a drawn skeleton is made of: points, limbs between them, and their colours, for each network's points.

Colours and the neck are those of OpenPose's pictures (Cao et al., 2017). Hands and feet have the colours of
the limbs that they end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inference_service.filters.vision import coco
from inference_service.filters.vision.networks.people import body_topology

RGB = tuple[int, int, int]
Kind = Literal["body", "face", "end"]
"""`end` is what hands and feet have beyond wrists and ankles."""

OPENPOSE: Sequence[RGB] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
    (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
    (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
FINE = 0.6
"""Width of what belongs to faces, hands and feet, against that of a limb."""
DISC = 1.45
"""Radius of a point against that of a limb."""
LEAST_RADIUS = 0.75
"""Half the width of a line, in pixels, however small the picture is."""
FARTHEST = 1e5
"""Pixels out of the picture: what lies farther does not fit OpenCV's numbers."""


@dataclass(frozen=True, slots=True)
class Point:
    """A drawn point, which lies in the middle of the network's points `of`."""

    of: tuple[int, ...]
    colour: RGB
    kind: Kind = "body"


@dataclass(frozen=True, slots=True)
class Limb:
    """A line between two drawn points, by their place in `Skeleton.points`."""

    ends: tuple[int, int]
    colour: RGB
    kind: Kind = "body"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """All that is drawn of a person; what comes later lies on top."""

    points: tuple[Point, ...]
    limbs: tuple[Limb, ...]

    @property
    def parts(self) -> tuple[Limb | Point, ...]:
        """Limbs, then points."""
        return (*self.limbs, *self.points)


_ORDER = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow",
    "left wrist", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
"""OpenPose's points; point and colour of one number belong together."""
_FACE = ("nose", "right eye", "left eye", "right ear", "left ear")
_LIMBS = (
    ("neck", "right shoulder"), ("neck", "left shoulder"), ("right shoulder", "right elbow"),
    ("right elbow", "right wrist"), ("left shoulder", "left elbow"), ("left elbow", "left wrist"),
    ("neck", "right hip"), ("right hip", "right knee"), ("right knee", "right ankle"), ("neck", "left hip"),
    ("left hip", "left knee"), ("left knee", "left ankle"), ("neck", "nose"), ("nose", "right eye"),
    ("right eye", "right ear"), ("nose", "left eye"), ("left eye", "left ear"),
)  # fmt: skip
_ENDS = (
    ("wrist", "thumb"), ("wrist", "index"), ("wrist", "pinky"), ("index", "pinky"), ("ankle", "heel"),
    ("heel", "foot index"), ("ankle", "foot index"),
)  # fmt: skip
"""Of each side."""


def _skeleton(names: Sequence[str]) -> Skeleton:
    """Return the skeleton of a network with points of these names."""
    numbers: dict[str, tuple[int, ...]] = {name: (number,) for number, name in enumerate(names)}
    numbers["neck"] = (*numbers["left shoulder"], *numbers["right shoulder"])
    points = {
        name: Point(numbers[name], colour, "face" if name in _FACE else "body")
        for name, colour in zip(_ORDER, OPENPOSE, strict=True)
    }
    limbs: list[tuple[str, str, RGB, Kind]] = [
        (one, other, colour, "face" if one in _FACE or other in _FACE else "body")
        for (one, other), colour in zip(_LIMBS, OPENPOSE, strict=False)
    ]
    if "left thumb" in numbers:
        for side in ("right", "left"):
            for one, other in _ENDS:
                joint = "wrist" if one in ("wrist", "index") else "ankle"
                colour = points[f"{side} {joint}"].colour
                limbs.append((f"{side} {one}", f"{side} {other}", colour, "end"))
                for name in (f"{side} {one}", f"{side} {other}"):
                    points.setdefault(name, Point(numbers[name], colour, "end"))
    if "mouth left" in numbers:
        for name in ("mouth right", "mouth left"):
            points[name] = Point(numbers[name], points["nose"].colour, "face")
        limbs.append(("mouth right", "mouth left", points["nose"].colour, "face"))
    return Skeleton(tuple(points.values()), tuple(_placed(limb, list(points)) for limb in limbs))


def _placed(limb: tuple[str, str, RGB, Kind], names: Sequence[str]) -> Limb:
    one, other, colour, kind = limb
    return Limb((names.index(one), names.index(other)), colour, kind)


SKELETONS: Mapping[Literal["body", "coco"], Skeleton] = {
    "body": _skeleton(body_topology.NAMES),
    "coco": _skeleton(coco.POINTS),
}
"""Of the 33 points of `BodyPoints`, and of the 17 of COCO, which Keypoint R-CNN finds."""
