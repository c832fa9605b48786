"""A filter made ready, with what the operator has set for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from inference_service.device import context
from inference_service.filters.base import Fallback, Filter
from inference_service.filters.vision.networks.packages import require
from inference_service.filters.vision.networks.people.recordable import gathered
from inference_service.filters.vision.networks.people.recorded import OwnNetworks
from inference_service.weights.folder import OnProgress, WeightsFolder


def configured(cls: type[Filter], settings: Mapping[str, Any]) -> Filter:
    """Return a filter that knows its settings and has loaded nothing; raises what its settings raise."""
    made = cls()
    made.settings = cls.Settings.model_validate(dict(settings))
    return made


def load(
    cls: type[Filter],
    device: torch.device,
    settings: Mapping[str, Any],
    weights_dir: Path,
    on_progress: OnProgress | None = None,
) -> Filter:
    """Return a loaded filter; raises MissingPackage, and what its settings or its `load` raise."""
    made = configured(cls, settings)
    needed = made.needed_packages()
    # Before the weights: nobody waits for a download that is of no use.
    require(made.name, *needed, how=needed)
    made.weights_folder = WeightsFolder(weights_dir, on_progress)
    with gathered() as recordables:
        made.load(device)

    def lack(fallback: Fallback) -> None:
        # What several networks lack is told once.
        if fallback not in made.fallbacks:
            made.fallbacks.append(fallback)

    for one in recordables:
        if one.fallback is not None:
            lack(one.fallback)
        one.on_fallback = lack
    if isinstance(made, OwnNetworks):
        made.recordables = recordables
    if device.type == "cuda":
        context.forbid_shortcuts()
        # Batches run on another stream, which does not wait for this one. Not the whole device, since the
        # loop may be using it.
        torch.cuda.current_stream(device).synchronize()
    return made
