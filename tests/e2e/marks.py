"""Marks of tests that not every machine can run."""

from __future__ import annotations

import pytest

from harness.services import in_namespace

needs_namespace = pytest.mark.skipif(
    not in_namespace(), reason="needs a network of its own: tests/in_namespace.sh, as `make test` has it"
)
