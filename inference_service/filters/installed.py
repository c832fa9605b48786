"""Which filters can be had here: built in, or an entry point of an installed package.

An entry point of the group `p2pcamera.filters`: its value is the class and its name is the filter's. Nothing
here imports a filter or torch, whose import takes seconds.
"""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint, entry_points

logger = logging.getLogger(__name__)

GROUP = "p2pcamera.filters"
BUILT_IN = {
    "ink": "inference_service.filters.ink:Ink",
    "densepose": "inference_service.filters.densepose:DensePose",
    "segmentation": "inference_service.filters.segmentation:Segmentation",
    "background": "inference_service.filters.background:Background",
    "detection": "inference_service.filters.detection:Detection",
    "pose": "inference_service.filters.pose:Pose",
    "face": "inference_service.filters.face:Face",
    "makeup": "inference_service.filters.makeup:Makeup",
    "animal": "inference_service.filters.animal:Animal",
    "frame": "inference_service.filters.frame:Frame",
    "grade": "inference_service.filters.grade:Grade",
    "img2img": "inference_service.filters.img2img:Img2Img",
    "light": "inference_service.filters.light:Light",
    "passthrough": "inference_service.filters.passthrough:Passthrough",
    "invert": "inference_service.filters.invert:Invert",
}
FOR_TESTS = {
    "passthrough": "inference_service.filters.passthrough:BusyPassthrough",
    "invert": "inference_service.filters.invert:BusyInvert",
}
"""In the place of those of their name, where `--test-params` asks for them."""
MAX_NAME = 64


def installed(*, has_test_params: bool = False) -> dict[str, EntryPoint]:
    """Return every filter that can be had, by name, without importing any; a built-in one wins.

    `has_test_params`: those that can be made slow, for tests of capacity, are.
    """
    found: dict[str, EntryPoint] = {}
    # By their packages, so that every start keeps the same one.
    for point in sorted(entry_points(group=GROUP), key=lambda one: (_package(one), one.name)):
        if point.name in BUILT_IN or point.name in found:
            winner = "p2pcamera" if point.name in BUILT_IN else _package(found[point.name])
            logger.warning(
                "filter %s of the package %s (%s) is left out: the package %s has one of this name",
                *(point.name, _package(point), point.value, winner),
            )
        elif 0 < len(point.name) <= MAX_NAME:
            found[point.name] = point
    built_in = BUILT_IN | (FOR_TESTS if has_test_params else {})
    return {name: EntryPoint(name, value, GROUP) for name, value in built_in.items()} | found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"
