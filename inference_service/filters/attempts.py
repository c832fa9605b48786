"""The loading of one filter, with less where it fails: less precision, no graphs. Each is told once.

Half precision ends at 65504, so that a network's numbers may leave it. Graphs hold memory of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import torch

from inference_service.device.memory import is_shortage
from inference_service.errors import NotFinite
from inference_service.filters.base import Fallback, Filter
from inference_service.filters.loading import load
from inference_service.filters.vision.networks.precision import safer
from inference_service.weights.folder import OnProgress

logger = logging.getLogger(__name__)

SAFER = {
    "bfloat16": Fallback("precision", "computes in bfloat16, since half precision gave no finite numbers"),
    "float32": Fallback(
        "precision", "computes in single precision, since half precision gave no finite numbers"
    ),
}
NO_GRAPHS = Fallback("memory", "runs without CUDA graphs, since memory was short")


class Attempts:
    """Loads one filter for one device, in the loader's thread."""

    def __init__(
        self,
        cls: type[Filter],
        device: torch.device,
        settings: Mapping[str, Any],
        weights_dir: Path,
        warm: Callable[[Filter], None],
        on_fallback: Callable[[str], None],
    ) -> None:
        """`warm` raises NotFinite where a picture is spoiled; `on_fallback` hears the kind of each."""
        self._cls = cls
        self._device = device
        self._settings = dict(settings)
        self._weights_dir = weights_dir
        self._warm = warm
        self._on_fallback = on_fallback
        self._fallbacks: list[Fallback] = []

    def made(self, on_progress: OnProgress, on_warming: Callable[[], None]) -> Filter:
        """Return the filter, loaded and warm; raises what loading raises where less would not help."""
        while True:
            try:
                made = load(self._cls, self._device, self._settings, self._weights_dir, on_progress)
                on_warming()
                self._warm(made)
            except Exception as exc:
                less = self._less(exc)
                if less is None:
                    raise
                logger.info("filter %s: %s: %s", self._cls.name, type(exc).__name__, exc)
                self._settings |= less[0]
                # What a first choice and a second one lack is told once.
                self._fallbacks = [one for one in self._fallbacks if one.kind != less[1].kind] + [less[1]]
            else:
                break
            made = None  # type: ignore[assignment]
        made.fallbacks[:0] = self._fallbacks
        for one in made.fallbacks:
            logger.warning("filter %s %s", made.name, one.text)
            self._on_fallback(one.kind)
        return made

    def _less(self, exc: Exception) -> tuple[dict[str, Any], Fallback] | None:
        """Return what to change after a failure, and what to say of it; None where that is of no use."""
        if self._device.type != "cuda":
            return None
        set_so = self._cls.Settings.model_validate(self._settings)
        if isinstance(exc, NotFinite) and (precision := self._safer(set_so)):
            return {"precision": precision}, SAFER[precision]
        if is_shortage(exc) and getattr(set_so, "cuda_graphs", False):
            return {"cuda_graphs": False}, NO_GRAPHS
        return None

    def _safer(self, set_so: Any) -> str | None:
        field = type(set_so).model_fields.get("precision")
        if field is None:
            return None
        return safer(set_so.precision, get_args(field.annotation), self._device)
