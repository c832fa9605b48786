"""The end of a run: which tests passed by a second try, and one line that counts what was skipped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable

import pytest
from _pytest.terminal import TerminalReporter

MAX_SECOND_TRIES = 3
"""More than a busy machine explains: there is a race."""


class Report:
    """A plugin of the process that reports, which hears of every worker's tests."""

    def __init__(self) -> None:
        self._tried_twice: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An outcome of pytest-rerunfailures.
        if str(report.outcome) == "rerun":
            self._tried_twice.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if len(self._tried_twice) > MAX_SECOND_TRIES and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> Generator[None]:
        yield
        for nodeid in self._tried_twice:
            terminalreporter.write_line(f"second try: {nodeid}")
        if len(self._tried_twice) > MAX_SECOND_TRIES:
            terminalreporter.write_line(
                f"FAILED: {len(self._tried_twice)} second tries, at most {MAX_SECOND_TRIES} may be",
                red=True,
            )
        terminalreporter.write_line(skipped(terminalreporter.getreports("skipped")))


def skipped(reports: Iterable[pytest.TestReport]) -> str:
    """Return the line that counts the skipped tests by reason."""
    reasons = Counter(_reason(report) for report in reports)
    if not reasons:
        return "skipped: none"
    counted = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"skipped: {counted}"


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
