"""Weights from a file into detectron2's model; nothing is loaded that does not fit, and no code is run.

detectron2's own loader does the matching. This module adds what the library leaves open. A pickle may hold
nothing but arrays. A missing key, a key too many or another shape is an error, where the library only logs
it.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from inference_service.errors import WeightsError
from inference_service.filters.vision.networks.state_dict import some
from inference_service.weights.sums import check

_NAMED_BY_SUM = re.compile(r"_([0-9a-f]{6})\.(?:pkl|pth)$")
_PIXEL_STATISTICS = ("pixel_mean", "pixel_std")
_ALLOWED = {
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    # How Python 3 writes bytes into the older pickle protocols.
    ("_codecs", "encode"),
}


def load(model: nn.Module, path: Path) -> None:
    """Fill `model` from `path`: a .pkl as in detectron2's model zoo, or a .pth.

    A name that ends in an underscore and six hexadecimal digits is held to that beginning of its MD5 sum.
    Raises WeightsError, which tells the operator what to do.
    """
    from detectron2.checkpoint import DetectionCheckpointer

    if path.suffix not in (".pkl", ".pth"):
        raise WeightsError(f"{path} is no weights file that densepose reads; expected .pkl or .pth")
    named = _NAMED_BY_SUM.search(path.name)
    check(path, f"md5:{named.group(1)}" if named else None)

    class Strict(DetectionCheckpointer):  # type: ignore[misc] # detectron2 has no types
        def _load_file(self, filename: str) -> dict[str, Any]:
            return _read(Path(filename))

        def _load_model(self, checkpoint: dict[str, Any]) -> Any:
            statistics = {key: checkpoint["model"].get(key) for key in _PIXEL_STATISTICS}
            incompatible = super()._load_model(checkpoint)
            unexpected = [
                key for key in incompatible.unexpected_keys if not _is_same(model, key, statistics.get(key))
            ]
            _refuse(path, incompatible.missing_keys, unexpected, incompatible.incorrect_shapes)
            incompatible.unexpected_keys.clear()
            return incompatible

    # Absolute, so that the library takes no part of a name for the scheme of an address.
    Strict(model, save_to_disk=False).load(str(path.absolute()))


class _ArraysOnly(pickle.Unpickler):
    """Refuses whatever a file of arrays does not need: a pickle can name any function to be called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        if module.startswith("numpy."):
            # numpy 2 moved them; either name is found in either version.
            module = module.replace("numpy.core.", _numpy_core()).replace("numpy._core.", _numpy_core())
        return super().find_class(module, name)


def _numpy_core() -> str:
    return "numpy._core." if int(np.__version__.partition(".")[0]) >= 2 else "numpy.core."


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                data = _ArraysOnly(file, encoding="latin1").load()
        else:
            data = torch.load(path, map_location="cpu", weights_only=True)
            if isinstance(data, dict) and "model" not in data:
                data = {"model": data}
    except OSError as exc:
        raise WeightsError(f"{path} cannot be read ({exc.strerror})") from exc
    except (EOFError, zipfile.BadZipFile) as exc:
        raise WeightsError(f"{path} is truncated; copy or download it again") from exc
    except pickle.UnpicklingError as exc:
        if "truncated" in str(exc):
            raise WeightsError(f"{path} is truncated; copy or download it again") from exc
        raise WeightsError(
            f"{path} holds more than arrays or is no weights file: {_first_line(exc)}"
        ) from exc
    except Exception as exc:
        # A file that is something else makes a reader of pickles fail in any way whatever.
        raise WeightsError(f"{path} is damaged or no weights file ({type(exc).__name__})") from exc
    model = data.get("model") if isinstance(data, dict) else None
    if not isinstance(model, dict) or not all(isinstance(key, str) for key in model):
        raise WeightsError(f"{path} holds no model; expected the model zoo's form, a dict with 'model'")
    for key, value in model.items():
        if not isinstance(value, (np.ndarray, torch.Tensor)) or value.dtype is np.dtype(object):
            raise WeightsError(f"{path}: {key} is no array of numbers")
    # "matching_heuristics" would pair keys by likeness; here every key must fit by name.
    return {"model": model, "__author__": str(data.get("__author__", ""))}


def _is_same(model: nn.Module, key: str, value: Any) -> bool:
    """Old files carry the mean and deviation of pixels; the model has them from its configuration."""
    if value is None:
        return False
    return bool(np.allclose(np.asarray(value).ravel(), getattr(model, key).numpy().ravel()))


def _refuse(
    path: Path, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[tuple[str, Any, Any]]
) -> None:
    misshapen = {key for key, _, _ in shapes}
    missing = [key for key in missing if key not in misshapen]
    faults = [
        some("lacks", missing),
        some("has unknown", unexpected),
        some("has", [f"{key} of shape {came} instead of {expected}" for key, came, expected in shapes]),
    ]
    if any(faults):
        raise WeightsError(
            f"{path} is made for another model: it {', '.join(filter(None, faults))}. Expected are the "
            "weights of densepose_rcnn_R_50_FPN_s1x"
        )


def _first_line(exc: Exception) -> str:
    return str(exc).strip().splitlines()[0][:200] if str(exc).strip() else type(exc).__name__
