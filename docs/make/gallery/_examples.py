"""The pictures of the demo page's cards: a photograph, and right of it what the filter itself makes of it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch

from docs.make.jpeg import beside
from harness.photograph import Image, read_photo
from inference_service.filters.base import Filter, Item
from inference_service.filters.installed import BUILT_IN, installed
from inference_service.filters.loading import load
from inference_service.filters.trouble import Code, before_loading
from inference_service.weights.folder import default_folder

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "static" / "examples"
LIST = ROOT / "static" / "demo" / "example_names.js"
CAMERA = "camera"
"""The card of the camera alone."""
FRAMES = 40
"""Shown to a filter that remembers, before its picture is taken: it has come to rest by then."""
QUALITY = 78
HEAD = """\
/**
 * Of which filters `static/examples` has a picture: made by `python -m docs.make.gallery`.
 * @type {readonly string[]}
 */
"""


def write_examples(names: Iterable[str]) -> None:
    """Write NAME.webp for each of these filters that runs here, and the list of all that are there."""
    for name in (CAMERA, *names):
        picture = beside(read_photo(), read_photo()) if name == CAMERA else example(name)
        if picture is None:
            print(f"{name}: does not run here, so its card has no picture")
            continue
        _, packed = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.webp").write_bytes(packed.tobytes())
        print(f"{name}: {name}.webp, {packed.size:,} bytes")
    there = sorted(path.stem for path in FOLDER.glob("*.webp"))
    lines = "".join(f'  "{name}",\n' for name in there)
    LIST.write_text(f"{HEAD}export default Object.freeze([\n{lines}]);\n")


def example(name: str) -> Image | None:
    """Return before and after, (480, 1280, 3) uint8 RGB; None where the filter cannot run here.

    A filter's module of the gallery may say what suits it better: parameters as `EXAMPLE`, or the whole
    picture by `example()`. Where the filter cannot run, or leaves the photograph as it is, the first two
    pictures of its `picture()` will do.
    """
    module = _module(name)
    if module is not None and hasattr(module, "example"):
        made: Image = module.example()
        return made
    one = installed()[name].load()()
    obstacle = before_loading(one, torch.device("cpu"), default_folder())
    if obstacle is None or (obstacle.code is Code.NEEDS_GPU and not one.needed_weights()):
        photo = read_photo()
        one = load(type(one), torch.device("cpu"), {}, default_folder())
        after = at_rest(one, photo, **getattr(module, "EXAMPLE", {}))
        if module is None or not np.array_equal(after, photo):
            return beside(photo, after)
        # A picture that this filter leaves as it is shows nothing of it; its own module has a better one.
    picture = module.picture() if module is not None else None
    return None if picture is None else picture[:480, :1280]


def at_rest(one: Filter, photo: Image, **params: object) -> Image:
    """Return what a loaded filter makes of a photograph that it has seen for a while."""
    state: dict[str, object] = {}
    shown = torch.empty(0)
    with torch.inference_mode():
        for sequence in range(FRAMES if one.keeps_state else 1):
            batch = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None]
            item = Item(bytes(16), sequence, one.Params.model_validate(params), state)
            if one.works_on == "i420" or not one.needs_pictures:
                return photo
            shown = one.apply(batch, [item])[0]
    made = shown.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(made.numpy())


def names_here() -> list[str]:
    """Return the built-in filters: those that a demo page has words for."""
    return sorted(BUILT_IN)


def _module(name: str) -> ModuleType | None:
    found = importlib.util.find_spec(f"docs.make.gallery.{name}")
    return None if found is None else importlib.import_module(found.name)
