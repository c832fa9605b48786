"""The loading of one filter, with numbers that reach further where those of half precision are not finite.

Half precision ends at 65504, so that a network's numbers may leave it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import torch

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
        self.less: dict[str, Any] = {}
        """Settings that were taken instead of the given ones."""
        self.lacks: tuple[Fallback, ...] = ()
        """What to say of them."""

    def starting_with(self, less: Mapping[str, Any], lacks: tuple[Fallback, ...]) -> Self:
        """Take these settings from the first attempt on."""
        self.less, self.lacks = dict(less), lacks
        return self

    def made(self, on_progress: OnProgress, on_warming: Callable[[], None]) -> Filter:
        """Return the filter, loaded and warm; raises what loading raises where less would not help."""
        while True:
            try:
                settings = self._settings | self.less
                made = load(self._cls, self._device, settings, self._weights_dir, on_progress)
                on_warming()
                self._warm(made)
            except Exception as exc:
                set_so = self._cls.Settings.model_validate(self._settings | self.less)
                precision = precision_after(set_so, self._device) if isinstance(exc, NotFinite) else None
                if precision is None:
                    raise
                logger.info("filter %s: %s: %s", self._cls.name, type(exc).__name__, exc)
                self.less, self.lacks = {"precision": precision}, (SAFER[precision],)
            else:
                break
            made = None  # type: ignore[assignment]
        made.fallbacks[:0] = self.lacks
        tell(made.name, made.fallbacks, self._on_fallback)
        return made


def tell(name: str, fallbacks: Sequence[Fallback], on_fallback: Callable[[str], None]) -> None:
    """Say in the log what a filter does without, and give the kind of each to `on_fallback`."""
    for one in fallbacks:
        logger.warning("filter %s %s", name, one.text)
        on_fallback(one.kind)


def precision_after(set_so: Any, device: torch.device) -> str | None:
    """Return which numbers a filter of these settings can take instead; None where there are none.

    So it is on a CPU, and in single precision.
    """
    field = type(set_so).model_fields.get("precision")
    if device.type != "cuda" or field is None:
        return None
    return safer(set_so.precision, get_args(field.annotation), device)
