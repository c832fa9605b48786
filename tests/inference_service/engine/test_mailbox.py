from __future__ import annotations

import threading

import pytest

from inference_service.engine import mailbox as module
from inference_service.engine.mailbox import Mailbox
from inference_service.metrics import Metrics
from tests.inference_service.doubles import header, noise, session


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def mailbox(metrics):
    return Mailbox(metrics)


def put(mailbox, arrived_ns=0, **changes):
    mailbox.put(header(**changes), memoryview(noise()), arrived_ns)


def test_newest_frame_replaces_the_waiting_one(mailbox, metrics):
    put(mailbox, 10, sequence=1)
    put(mailbox, 20, sequence=2)
    (one,) = mailbox.take()
    assert (one.header.sequence, one.arrived_ns) == (2, 20)
    assert (metrics.frames_received, metrics.frames_replaced) == (2, 1)
    assert mailbox.take() == []


def test_bytes_are_counted_anew_after_a_take(mailbox, metrics, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 2 * len(noise()))
    for _ in range(3):
        for _ in range(2):
            put(mailbox, session=session())
        assert len(mailbox.take()) == 2
    assert not metrics.frames_dropped


def test_waiting_ends_with_a_frame(mailbox):
    done = threading.Event()

    def wait():
        mailbox.wait()
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert not done.wait(0.05)
    put(mailbox)
    assert done.wait(5)
