"""The end of a run: how tests failed that were tried twice, and one line that counts skips by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable

import pytest
from _pytest.terminal import TerminalReporter

MAX_SECOND_TRIES = 3
"""More than a busy machine explains: there is a race."""
MAX_TEXTS = 10
"""First failures whose text is shown. Where more tests are tried twice, most of them have one cause."""
MAX_LINES = 60
"""Of such a text, and of each stream that was captured beside it. The last ones tell most."""


class Report:
    """A plugin of the process that reports, which hears of every worker's tests."""

    def __init__(self) -> None:
        self._tried_twice: dict[str, list[str]] = {}
        """The lines of the first failure, by node id; none of a failure that is not shown."""
        self._in_first_try: set[str] = set()
        """Node ids whose first try has failed and is not yet torn down."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        nodeid = report.nodeid
        # An outcome of pytest-rerunfailures.
        if str(report.outcome) == "rerun":
            lines = self._tried_twice.setdefault(nodeid, [])
            if len(self._tried_twice) <= MAX_TEXTS:
                lines += _last_lines(report.longreprtext)
                self._in_first_try.add(nodeid)
        # What services have said is written when they are stopped.
        if report.when == "teardown" and nodeid in self._in_first_try:
            self._in_first_try.remove(nodeid)
            for title, text in report.sections:
                self._tried_twice[nodeid] += [f"--- {title} ---", *_last_lines(text)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if len(self._tried_twice) > MAX_SECOND_TRIES and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> Generator[None]:
        yield
        for nodeid, lines in self._tried_twice.items():
            if lines:
                terminalreporter.write_sep("_", f"first try: {nodeid}")
            for line in lines:
                terminalreporter.write_line(line)
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


def _last_lines(text: str) -> list[str]:
    lines = text.splitlines()
    left_out = len(lines) - MAX_LINES
    return lines if left_out <= 0 else [f"... {left_out} lines before", *lines[-MAX_LINES:]]
