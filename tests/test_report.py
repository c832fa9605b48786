"""What a run says at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from _pytest.terminal import TerminalReporter

from harness.services import ROOT
from tests.report import MAX_LINES, MAX_SECOND_TRIES, MAX_TEXTS, Report

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
import pytest

tries = 0

@pytest.fixture
def service():
    yield
    print("a service's last word")

def test_that_races(service):
    global tries
    tries += 1
    print(*range(1000), sep="\\n")
    assert tries == 2, f"try {tries} lost the race"
"""


def run_of(tmp_path: Path, **modules: str) -> subprocess.CompletedProcess[str]:
    """Run tests on two workers, with this report."""
    for name, text in {"conftest": CONFTEST, **modules}.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "--numprocesses", "2", "--dist", "loadfile", "--reruns", "1"]
    # Others of the environment take seconds to import, in each of three processes.
    command += ["-p", "xdist.plugin", "-p", "pytest_rerunfailures", "-c", str(tmp_path / "pytest.ini")]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run([*command, tmp_path], cwd=ROOT, env=environ, capture_output=True, text=True)


def test_a_run_on_two_workers_counts_skips_by_reason_and_names_second_tries(tmp_path: Path) -> None:
    done = run_of(tmp_path, test_skips=SKIPS, test_race=RACE)
    assert done.returncode == 0, done.stdout
    assert "skipped: 3 needs a CUDA device, 1 needs Firefox" in done.stdout.splitlines()
    assert "second try: test_race.py::test_that_races" in done.stdout.splitlines()


def test_a_first_failure_is_shown_with_what_was_written_until_its_end(tmp_path: Path) -> None:
    lines = run_of(tmp_path, test_race=RACE).stdout.splitlines()
    (begins,) = (
        number for number, line in enumerate(lines) if "first try: test_race.py::test_that_races" in line
    )
    told = lines[begins:]
    assert "E       AssertionError: try 1 lost the race" in told
    written = told[told.index("--- Captured stdout call ---") + 1 :]
    assert written[:2] == [f"... {1000 - MAX_LINES} lines before", f"{1000 - MAX_LINES}"]
    assert written[MAX_LINES:][:3] == ["999", "--- Captured stdout teardown ---", "a service's last word"]


def test_a_test_that_also_fails_when_it_is_torn_down_counts_once(tmp_path: Path) -> None:
    falls = RACE.replace("yield\n", "yield\n    assert tries == 2, 'the service fell'\n")
    done = run_of(tmp_path, test_race=falls)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines.count("second try: test_race.py::test_that_races") == 1
    assert "E       AssertionError: try 1 lost the race" in lines
    assert "E       AssertionError: the service fell" in lines


def tried(nodeid: str) -> pytest.TestReport:
    report = SimpleNamespace(outcome="rerun", nodeid=nodeid, when="call", longreprtext="E  lost", sections=[])
    return cast(pytest.TestReport, report)


@pytest.mark.parametrize(
    ("count", "status"),
    [(MAX_SECOND_TRIES, pytest.ExitCode.OK), (MAX_SECOND_TRIES + 1, pytest.ExitCode.TESTS_FAILED)],
)
def test_more_than_three_second_tries_fail_the_run(count: int, status: pytest.ExitCode) -> None:
    report = Report()
    for number in range(count):
        report.pytest_runtest_logreport(tried(f"test_that_races[{number}]"))
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    report.pytest_sessionfinish(cast(pytest.Session, session))
    assert session.exitstatus is status


def test_where_many_fail_only_some_are_shown_and_all_are_named() -> None:
    report = Report()
    for number in range(MAX_TEXTS + 5):
        report.pytest_runtest_logreport(tried(f"test_that_races[{number}]"))
    said: list[str] = []
    reporter = SimpleNamespace(
        write_line=lambda line, **_: said.append(line),
        write_sep=lambda _, title: said.append(title),
        getreports=lambda outcome: [],
    )
    summary = report.pytest_terminal_summary(cast(TerminalReporter, reporter))
    next(summary)
    assert next(summary, None) is None
    assert sum(line.startswith("first try: ") for line in said) == MAX_TEXTS
    assert sum(line.startswith("second try: ") for line in said) == MAX_TEXTS + 5
