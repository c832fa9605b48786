"""Which cases of a test are for `make test-all` alone."""

from __future__ import annotations

import pytest
from _pytest.mark.structures import ParameterSet


def slow(*values: object) -> list[ParameterSet]:
    """Mark the values of a parameter whose rule the others show already, or a test without a browser."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]
