from __future__ import annotations

import io
import sys
import threading
import time

import pytest

from inference_service.engine import watchdog as module
from inference_service.engine.gauge import LoopGauge
from inference_service.engine.watchdog import Watchdog


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)


def test_a_batch_that_does_not_end_is_told_with_the_place_where_it_hangs(capfd, caplog):
    gauge, hung = LoopGauge(time.monotonic_ns()), threading.Event()
    watchdog = Watchdog(gauge, 0.2, hung.set)
    watchdog.open()
    gauge.begin(time.monotonic_ns())
    assert not hung.wait(0.1)
    assert hung.wait(5)
    assert "test_a_batch_that_does_not_end" in capfd.readouterr().err
    assert "over 0.2 s" in caplog.text


def test_batches_that_end_and_an_idle_loop_are_no_hang():
    gauge, hung = LoopGauge(time.monotonic_ns()), threading.Event()
    watchdog = Watchdog(gauge, 0.2, hung.set)
    watchdog.open()
    for _ in range(6):
        gauge.begin(time.monotonic_ns())
        assert not hung.wait(0.08)
        gauge.end(1, time.monotonic_ns())
    assert not hung.wait(0.4)
    watchdog.close()


def test_loading_is_looked_at_too():
    looked = threading.Event()
    watchdog = Watchdog(LoopGauge(time.monotonic_ns()), 60, lambda: None, looked.set)
    watchdog.open()
    assert looked.wait(60)
    watchdog.close()


def test_a_hang_is_told_also_where_no_traceback_can_be_written(monkeypatch):
    gauge, hung = LoopGauge(time.monotonic_ns()), threading.Event()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    gauge.begin(time.monotonic_ns())
    watchdog = Watchdog(gauge, 0.05, hung.set)
    watchdog.open()
    assert hung.wait(5)
