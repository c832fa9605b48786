"""Says which route the peers of this run take, and leaves out what the installed packages do not allow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from shared.run_dir import VARIABLE as RUN_DIR_VARIABLE
from tests.e2e.services import in_namespace

MODELS = ("torchvision", "diffusers", "transformers")


def pytest_report_header() -> str:
    """Name the route in the report's head, since a failure may show on one of them alone."""
    route = "a network namespace of its own" if in_namespace() else "loopback (--ice-addresses 127.0.0.1)"
    return f"p2pcamera: WebRTC peers use {route}"


@pytest.fixture(autouse=True, scope="session")
def _own_run_dir() -> Iterator[None]:
    """Services of these tests meet in a folder of their own, not where the user's run."""
    with tempfile.TemporaryDirectory(prefix="p2p") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUN_DIR_VARIABLE, folder)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `models` where one of their packages is missing."""
    missing = [name for name in MODELS if find_spec(name) is None]
    if not missing:
        return
    skip = pytest.mark.skip(reason=f"needs {', '.join(missing)}: make test has an environment for these")
    for item in items:
        if item.get_closest_marker("models") is not None:
            item.add_marker(skip)
