from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.inference_service.filters.densepose import narrow
from tests.inference_service.filters.densepose.narrow import Arrays, NarrowDensePose
from tests.inference_service.filters.densepose.reference import Reference

LIMITS: dict[str, Any] = {"short_side": 256, "proposals_per_level": 256, "proposals": 100, "max_people": 8}


@pytest.fixture(scope="session")
def narrow_arrays() -> Arrays:
    return narrow.arrays(seed=1)


@pytest.fixture(scope="session")
def weights(narrow_arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the zoo's form, of narrow layers."""
    return narrow.write(tmp_path_factory.mktemp("densepose") / "narrow.pkl", narrow_arrays)


@pytest.fixture(scope="session")
def reference(weights: Path) -> Reference:
    """The library's own way, with the limits of `loaded` and people from a score of 0.5."""
    return Reference(narrow.narrow(**LIMITS, min_score=0.5), weights)


@pytest.fixture(scope="session")
def loaded(weights: Path) -> NarrowDensePose:
    """The filter, as a worker on a CPU has it."""
    return load(weights)


def load(weights: Path, **settings: Any) -> NarrowDensePose:
    one = NarrowDensePose()
    one.settings = one.Settings(**(LIMITS | {"weights": weights} | settings))
    one.load(torch.device("cpu"))
    return one
