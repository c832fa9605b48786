from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness import services
from harness.deadline import eventually
from harness.nursery import Forked, Nursery
from harness.services import Services
from harness.shared_nursery import VARIABLE, SharedNursery

LIGHT = [sys.executable, "-m", "harness.light_worker"]


@pytest.fixture
def nursery() -> Nursery:
    """The one of this run."""
    assert services.nursery is not None
    return services.nursery


def start(nursery: Nursery, folder: Path, *arguments: str) -> Forked:
    return nursery.start([*LIGHT, *arguments], os.environ, folder / "log")


async def test_a_forked_service_ends_with_its_own_code_and_says_why_in_its_log(
    nursery: Nursery, tmp_path: Path
) -> None:
    fine, wrong = start(nursery, tmp_path, "--help"), start(nursery, tmp_path)
    await eventually(lambda: wrong.poll() is not None, 20, "the second has ended")
    await eventually(lambda: fine.poll() is not None, 20, "the first has ended")
    assert (fine.returncode, wrong.returncode) == (0, 2)
    said = (tmp_path / "log").read_text()
    assert "usage: " in said
    assert "the following arguments are required: --signaling" in said


async def test_one_that_is_killed_says_by_which_signal(nursery: Nursery, tmp_path: Path) -> None:
    link = f"ipc://{tmp_path}/results.ipc"
    running = start(nursery, tmp_path, "--signaling", link, "--filters", "invert")
    await eventually(lambda: list(tmp_path.glob("light-*.ipc")), 20, "it runs")
    assert running.poll() is None
    assert os.getsid(running.pid) == running.pid
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    running.send_signal(signal.SIGTERM)  # To nobody.


def test_only_services_are_forked() -> None:
    signaling = [sys.executable, "-m", "signaling_service", "--port", "0"]
    nursery = Nursery()
    assert nursery.can_start(LIGHT)
    assert nursery.can_start(signaling)
    assert not nursery.can_start([sys.executable, "-m", "deploy.launch"])
    assert not nursery.can_start(["ip", "netns", "exec", *LIGHT])
    nursery.close()


async def test_a_secret_in_the_arguments_goes_by_the_environment(tmp_path: Path) -> None:
    """As the service does it, which need not start itself once more."""
    async with Services(tmp_path) as service:
        signaling = service.start_signaling("--api-key", "of-this-test")
        await service.answers()
        assert (await service.http.get("/filters")).status_code == 401
        headers = {"Authorization": "Bearer of-this-test"}
        assert (await service.http.get("/filters", headers=headers)).status_code == 200
        # That of the process which forks: the service has not started itself.
        assert psutil.Process(signaling.pid).cmdline()[1:3] == ["-m", "harness.nursery"]


@pytest.fixture
def _shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The shared one of this run; another where this process has no others beside it."""
    if VARIABLE in os.environ:
        yield
        return
    shared = SharedNursery()
    monkeypatch.setenv(VARIABLE, shared.address)
    yield
    shared.close()


@pytest.mark.usefixtures("_shared")
async def test_processes_share_the_imports_and_hear_of_their_own_services_alone(tmp_path: Path) -> None:
    one, other = Nursery(), Nursery()
    fine, wrong = start(one, tmp_path, "--help"), start(other, tmp_path)
    await eventually(lambda: fine.poll() is not None and wrong.poll() is not None, 60, "both have ended")
    assert (fine.returncode, wrong.returncode) == (0, 2)
    assert (one.ended(wrong.pid), other.ended(fine.pid)) == (None, None)
    one.close()
    assert start(other, tmp_path, "--help").wait() == 0
    other.close()


def test_after_the_end_a_start_is_an_error(tmp_path: Path) -> None:
    nursery = Nursery()
    nursery.close()
    with pytest.raises(RuntimeError, match="closed"):
        start(nursery, tmp_path, "--help")
