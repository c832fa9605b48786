"""A state dict from a file into a model; nothing is loaded that does not fit, and no code is run.

For the `.pth` files of torchvision's model zoo, and any that `torch.save(model.state_dict(), path)` writes.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from inference_service.errors import WeightsError
from inference_service.weights.sums import check

KEYS_NAMED = 3
"""In an error; a wrong file misses hundreds."""

_NAMED_BY_SUM = re.compile(r"-([0-9a-f]{8,64})\.pth?$")
"""As torch.hub writes it: the first digits of the file's SHA-256 sum."""


def load_state(model: nn.Module, path: Path) -> None:
    """Fill `model`, which is on the CPU, from the state dict in `path`: every key, and no other.

    A name that ends in a hyphen and eight or more hexadecimal digits is held to that beginning of its SHA-256
    sum. Raises WeightsError, which tells the operator what to do; the model is of no use then.
    """
    named = _NAMED_BY_SUM.search(path.name)
    check(path, f"sha256:{named.group(1)}" if named else None)
    state = _read(path)
    expected = model.state_dict()
    misshapen = [
        f"{key} of shape {list(value.shape)} instead of {list(expected[key].shape)}"
        for key, value in state.items()
        if key in expected and value.shape != expected[key].shape
    ]
    _refuse(path, model, misshapen=misshapen)
    # Not strict, to name the keys in a sentence of ours; the model's own hooks for older files are heard.
    told = model.load_state_dict(state, strict=False)
    _refuse(path, model, missing=told.missing_keys, unexpected=told.unexpected_keys)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as exc:
        raise WeightsError(f"{path} cannot be read ({exc.strerror})") from exc
    except (EOFError, zipfile.BadZipFile) as exc:
        raise WeightsError(f"{path} is truncated; copy or download it again") from exc
    except pickle.UnpicklingError as exc:
        raise WeightsError(f"{path} holds more than tensors or is no weights file") from exc
    except Exception as exc:
        # A file that is something else makes a reader of pickles fail in any way whatever.
        raise WeightsError(f"{path} is damaged or no weights file ({type(exc).__name__})") from exc
    if not isinstance(state, dict) or not state:
        raise WeightsError(f"{path} holds no state dict; expected what torch.save(model.state_dict()) writes")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise WeightsError(f"{path}: {str(key)[:64]} is no tensor of a state dict")
    return state


def _refuse(
    path: Path,
    model: nn.Module,
    *,
    missing: Sequence[str] = (),
    unexpected: Sequence[str] = (),
    misshapen: Sequence[str] = (),
) -> None:
    faults = [some("lacks", missing), some("has unknown", unexpected), some("has", misshapen)]
    if any(faults):
        raise WeightsError(
            f"{path} is made for another model than this {type(model).__name__}: it "
            f"{', '.join(filter(None, faults))}; name the right file in the filter's `weights` setting, "
            "or leave that out"
        )


def some(verb: str, names: Sequence[str]) -> str:
    """Return a few of `names` behind `verb`, and how many more there are; nothing where there are none."""
    more = f" and {len(names) - KEYS_NAMED} more" if len(names) > KEYS_NAMED else ""
    return f"{verb} {', '.join(names[:KEYS_NAMED])}{more}" if names else ""
