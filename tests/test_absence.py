"""The packages of known models are there for the tests marked for them, and for no other test."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests import needs


def found_by_a_child(*packages: str) -> list[str]:
    script = "import sys; from importlib.util import find_spec; print(*filter(find_spec, sys.argv[1:]))"
    argv = [sys.executable, "-c", script, *packages]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("package", sorted(needs.ALL_PACKAGES))
def test_a_test_without_a_marker_finds_none_of_the_packages(package: str) -> None:
    assert find_spec(package) is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(package)


@pytest.mark.models
def test_a_test_marked_for_them_finds_them_here_and_in_a_child_process() -> None:
    assert importlib.import_module("transformers") is sys.modules["transformers"]
    assert found_by_a_child(*needs.MODELS) == list(needs.MODELS)


def test_what_another_test_has_imported_is_gone_again() -> None:
    assert not {name.partition(".")[0] for name in sys.modules} & needs.ALL_PACKAGES
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("transformers")


def test_a_child_process_finds_none_of_them_either_and_all_else() -> None:
    assert found_by_a_child(*needs.ALL_PACKAGES, "torch", "numpy") == ["torch", "numpy"]
