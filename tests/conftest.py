"""Runs each test with what its markers allow, and without the rest."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import pytest

from harness import kernels, own_network, services, shared_nursery
from harness.nursery import Nursery
from harness.services import in_namespace
from shared.run_dir import VARIABLE as RUN_DIR_VARIABLE
from tests import needs, order, report, rewritten
from tests.absent.absence import Absence

# From here on, so that the modules of the tests are imported without these packages too.
absence = Absence(needs.ALL_PACKAGES)
absence.install()

# A time limit for each example would watch the clock of a shared machine.
hypothesis.settings.register_profile("p2pcamera", deadline=None)
hypothesis.settings.load_profile("p2pcamera")


def pytest_configure(config: pytest.Config) -> None:
    # The processes of a run share the cores; torch, which is imported later, would give each of them all.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    kernels.interpret()
    # A shell's background jobs ignore Ctrl-C, and so would the processes that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    needs.find_clone()
    config.pluginmanager.register(report.Report(), "p2pcamera-report")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(order, "p2pcamera-order")
        config.pluginmanager.register(rewritten, "p2pcamera-rewritten")
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        # Named to the processes that this one starts.
        nursery = shared_nursery.SharedNursery(absence.environ())
        os.environ[shared_nursery.VARIABLE] = nursery.address
        config.add_cleanup(nursery.close)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Give each process of a run its own network; by now it is connected to the one that reports."""
    if hasattr(session.config, "workerinput") and in_namespace():
        own_network.begin()


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


@pytest.fixture(autouse=True, scope="session")
def _nursery() -> Iterator[None]:
    """Services are forked, which spares the imports of each."""
    services.nursery = Nursery()
    yield
    services.nursery.close()
    services.nursery = None


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Tell other processes of the packages' absence, from here on.

    What all modules and tests have made stays to the end: no garbage collection looks through it.
    """
    absence.announce()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a test import the packages that it is marked for."""
    with absence.lifted(needs.allowed(item)):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that lacks what it is marked for."""
    if lacking := needs.missing(item):
        pytest.skip(lacking)


@pytest.fixture(autouse=True)
def recording_with_any_torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test on a GPU record with the torch that is there."""
    if request.node.get_closest_marker("gpu"):
        from harness import early_torch
        from inference_service.filters.vision.networks import graphs

        monkeypatch.setattr(graphs, "LEAST_TORCH", graphs.LEAST_TORCH)
        early_torch.record_with_it()


@pytest.fixture(autouse=True)
def garbage_in_new_memory(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let kernels that are interpreted find NaN, or the largest number, in what nobody has written yet."""
    if not request.node.get_closest_marker("triton") or request.path.parent.name != "kernels":
        yield
        return
    import torch

    if torch.cuda.is_available():
        # There it would forbid some operators.
        yield
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)
