"""What the markers of a test need, and which packages are there for it alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.firefox import FIREFOX
from harness.services import in_namespace

MODELS = frozenset({"torchvision", "diffusers", "transformers"})
DETECTRON2 = frozenset({"torchvision", "detectron2", "densepose", "fvcore"})
PACKAGES: Mapping[str, frozenset[str]] = {"models": MODELS, "detectron2": DETECTRON2}
"""Marker -> the packages that its tests may import, and no other test may."""
ALL_PACKAGES = MODELS | DETECTRON2

CLONE = os.environ.get("DETECTRON2", "")


def find_clone() -> None:
    """Let detectron2 and its DensePose project be imported from a clone, where one is named."""
    if not CLONE:
        return
    for folder in (Path(CLONE), Path(CLONE) / "projects" / "DensePose"):
        if not folder.is_dir():
            raise pytest.UsageError(f"DETECTRON2={CLONE}: expected a clone of detectron2, no folder {folder}")
        # Behind our own: the clone has a folder `tests` too.
        sys.path.append(str(folder))


def allowed(item: pytest.Item) -> frozenset[str]:
    """Return the packages that this test may import."""
    return frozenset().union(*(names for mark, names in PACKAGES.items() if item.get_closest_marker(mark)))


def missing(item: pytest.Item) -> str | None:
    """Return what this test needs and does not have, or None."""
    for mark, reason in _REASONS.items():
        if item.get_closest_marker(mark) and (found := reason()):
            return found
    return None


def _without_models() -> str | None:
    return None if all(map(find_spec, MODELS)) else "needs the extra `models` (make install)"


def _without_detectron2() -> str | None:
    is_there = all(map(find_spec, DETECTRON2))
    return None if is_there else "needs detectron2 (make test DETECTRON2=folder of a clone)"


def _without_gpu() -> str | None:
    import torch

    return None if torch.cuda.is_available() else "needs a CUDA device"


def _without_triton() -> str | None:
    return None if find_spec("triton") else "needs Triton (make install, or a torch built for GPUs)"


def _without_firefox() -> str | None:
    if not FIREFOX:
        return "needs Firefox (apt-get install firefox-esr, or FIREFOX=path)"
    # It makes no connection to the loopback, where the services are without a namespace.
    return _without_namespace()


def _without_namespace() -> str | None:
    return None if in_namespace() else "needs a network of its own (tests/in_namespace.sh)"


_REASONS: Mapping[str, Callable[[], str | None]] = {
    "models": _without_models,
    "detectron2": _without_detectron2,
    "gpu": _without_gpu,
    "triton": _without_triton,
    "firefox": _without_firefox,
    "namespace": _without_namespace,
}
