from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from inference_service.filters import shift as module
from inference_service.filters.shift import Shift
from tests.inference_service.doubles import until


@pytest.fixture
def clock(monkeypatch):
    """Stand in for the clock: a second is what a test adds."""
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic_ns=lambda: int(now.s * 1e9)))
    return now


def test_a_job_that_says_nothing_is_left_to_its_thread(clock, capfd, caplog):
    said, go = threading.Event(), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        with shift.working():
            said.set()
            go.wait(60)
        ended.append(shift.is_relieved)

    shift = Shift(work)
    assert not shift.relieve(0)
    shift.start()
    said.wait(60)
    clock.s = 9.0
    assert not shift.relieve(10)
    clock.s = 11.0
    assert shift.relieve(10)
    assert "over 10 s" in caplog.text
    assert "test_shift.py" in capfd.readouterr().err
    # Told once, and the next thread has a job of its own.
    assert not shift.relieve(10)
    said.clear()
    shift.start()
    assert said.wait(60)
    assert not shift.relieve(10)
    go.set()
    until(lambda: len(ended) == 2)
    assert sorted(ended) == [False, True]


def test_whoever_is_heard_of_is_not_relieved(clock):
    said, more, go = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        with shift.working():
            said.set()
            more.wait(60)
            shift.heard()
            said.set()
            go.wait(60)

    shift = Shift(work)
    shift.start()
    said.wait(60)
    said.clear()
    clock.s = 9.0
    more.set()
    said.wait(60)
    clock.s = 18.0
    assert not shift.relieve(10)
    go.set()
    # Between jobs there is nobody to be relieved.
    until(lambda: not any(one.name == "loader" for one in threading.enumerate()))
    clock.s = 99.0
    assert not shift.relieve(10)
