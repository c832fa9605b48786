"""What a run says at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.services import ROOT
from tests.report import MAX_SECOND_TRIES, Report

CONFTEST = """
from tests import report

def pytest_configure(config):
    config.pluginmanager.register(report.Report(), "report")
"""
SKIPS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_of_a_device(number):
    pytest.skip("needs a CUDA device")

def test_of_firefox():
    pytest.skip("needs Firefox")
"""
RACE = """
tries = 0

def test_that_races():
    global tries
    tries += 1
    assert tries == 2
"""


def test_a_run_on_two_workers_counts_skips_by_reason_and_names_second_tries(tmp_path: Path) -> None:
    for name, text in (("conftest", CONFTEST), ("test_skips", SKIPS), ("test_race", RACE)):
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "--numprocesses", "2", "--dist", "loadfile", "--reruns", "1"]
    # Others of the environment take seconds to import, in each of three processes.
    command += ["-p", "xdist.plugin", "-p", "pytest_rerunfailures", "-c", str(tmp_path / "pytest.ini")]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run([*command, tmp_path], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "skipped: 3 needs a CUDA device, 1 needs Firefox" in done.stdout.splitlines()
    assert "second try: test_race.py::test_that_races" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("count", "status"),
    [(MAX_SECOND_TRIES, pytest.ExitCode.OK), (MAX_SECOND_TRIES + 1, pytest.ExitCode.TESTS_FAILED)],
)
def test_more_than_three_second_tries_fail_the_run(count: int, status: pytest.ExitCode) -> None:
    report = Report()
    for number in range(count):
        tried = SimpleNamespace(outcome="rerun", nodeid=f"test_that_races[{number}]")
        report.pytest_runtest_logreport(cast(pytest.TestReport, tried))
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    report.pytest_sessionfinish(cast(pytest.Session, session))
    assert session.exitstatus is status
