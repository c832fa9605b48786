"""A filter package of somebody else's, made for tests: each of its filters has something in its way."""

from __future__ import annotations

from pathlib import Path

_MODULE = """
from inference_service.filters import base
from inference_service.weights.folder import WeightsFile

# Nobody listens there.
MODEL = WeightsFile("model.pth", "http://127.0.0.1:9/model.pth", "md5:0a1b2c", "none", about_bytes=78_000_000)


class Lacking(base.Filter):
    name = "lacking"
    title = "Lacking"
    description = "Needs a package that nobody has."

    def needed_packages(self):
        return {"no_such_package_here": "pip install nowhere"}

    def apply(self, batch, items):
        return batch


class Hidden(Lacking):
    name = "hidden"
    title = "Hidden"
    is_private = True


class Fetching(base.Filter):
    name = "fetching"
    title = "Fetching"
    description = "Has to download something first."
    is_private = True
    weights = (MODEL,)

    def load(self, device):
        self.weights_folder.get(MODEL)

    def apply(self, batch, items):
        return batch


class Fetching2(Fetching):
    name = "fetching2"
    title = "Fetching 2"


class Fetching3(Fetching):
    name = "fetching3"
    title = "Fetching 3"
"""
_METADATA = "Metadata-Version: 2.1\nName: troubled-filters\nVersion: 1.0\n"
_CLASSES = {
    "lacking": "Lacking",
    "hidden": "Hidden",
    # One for each test that sees the download fail: a second try comes 15 s later.
    "fetching": "Fetching",
    "fetching2": "Fetching2",
    "fetching3": "Fetching3",
}


def install(folder: Path) -> str:
    """Write the package into `folder`, which has to be on a worker's PYTHONPATH; returns that path."""
    metadata = folder / "troubled_filters-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "troubled_filters_package.py").write_text(_MODULE)
    (metadata / "METADATA").write_text(_METADATA)
    lines = [f"{name} = troubled_filters_package:{cls}" for name, cls in _CLASSES.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[p2pcamera.filters]", *lines, ""]))
    return str(folder)
