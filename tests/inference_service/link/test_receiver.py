from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pytest
import zmq

from inference_service.engine import mailbox as module
from inference_service.engine.mailbox import Mailbox
from inference_service.link.receiver import Receiver
from inference_service.metrics import Metrics
from shared import sockets, wire
from shared.errors import BindError
from tests.inference_service.doubles import header, noise, session, until


class Lane:
    """One PUSH to a receiver, which keeps everything it is given."""

    def __init__(self, context, endpoint):
        self._socket = context.socket(zmq.PUSH)
        self._socket.connect(endpoint)

    def send(self, message):
        self._socket.send(message)

    def send_parts(self, parts):
        self._socket.send_multipart(parts)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def seen():
    return []


@pytest.fixture
def mailbox(metrics):
    return Mailbox(metrics)


@pytest.fixture
def receiver(mailbox, metrics, seen):
    one = Receiver(mailbox, metrics, seen.append)
    yield one
    one.close()


@pytest.fixture
def lane(receiver):
    context = zmq.Context()
    yield Lane(context, receiver.open("tcp://127.0.0.1:*"))
    context.destroy(linger=0)


def taken(mailbox):
    mailbox.wait()
    return mailbox.take()


def packed(**changes):
    return wire.pack_frame(header(**changes), noise())


def total(metrics):
    return metrics.frames_received + metrics.frames_dropped.total()


def test_newest_frame_replaces_the_waiting_one(mailbox, receiver, lane, metrics):
    for sequence in range(5):
        lane.send(packed(sequence=sequence))
    until(lambda: metrics.frames_received == 5)
    (newest,) = taken(mailbox)
    assert newest.header.sequence == 4
    assert bytes(newest.planes) == noise()
    assert metrics.frames_replaced == 4
    assert mailbox.take() == []


def test_each_session_keeps_its_own_newest_frame(mailbox, receiver, lane, metrics):
    sessions = [session() for _ in range(3)]
    for sequence in range(2):
        for one in sessions:
            lane.send(packed(session=one, sequence=sequence))
    until(lambda: metrics.frames_received == 6)
    assert {r.header.session: r.header.sequence for r in taken(mailbox)} == dict.fromkeys(sessions, 1)


def test_what_cannot_be_read_is_counted_while_good_frames_go_on(mailbox, receiver, lane, metrics):
    good = packed()
    future = b"".join((good[:4], good[4:].replace(b"\xa1v\x01", b"\xa1v\x02", 1)))
    bad = {
        "truncated": [b"", good[:3], good[:40]],
        "size": [good[:-1], good + b"x", packed(width=15), wire.pack_frame(header(width=66), noise())],
        "oversized": [b"\xff\xff\xff\xff" + good, (1 << 20).to_bytes(4, "big") + bytes(8)][:1],
        "malformed": [(5).to_bytes(4, "big") + b"\xc1\xc1\xc1\xc1\xc1", packed(filters=("passthrough",) * 9)],
        "version": [future],
    }
    for messages in bad.values():
        for message in messages:
            lane.send(message)
            lane.send(good)
    expected = {reason: len(messages) for reason, messages in bad.items()}
    until(lambda: total(metrics) == 2 * sum(expected.values()))
    assert dict(metrics.frames_dropped) == expected
    assert metrics.frames_received == sum(expected.values())
    assert len(taken(mailbox)) == 1


def test_a_message_of_two_parts_is_dropped(receiver, lane, metrics):
    lane.send_parts([packed(), b"more"])
    lane.send(packed())
    until(lambda: metrics.frames_received == 1)
    assert metrics.frames_dropped["malformed"] == 1


def test_a_message_over_the_limit_costs_its_sender_the_connection_only(mailbox, receiver, metrics):
    endpoint = receiver.open("tcp://127.0.0.1:*")
    context = zmq.Context()
    try:
        flood, other = Lane(context, endpoint), Lane(context, endpoint)
        flood.send(bytes(wire.MAX_MESSAGE_BYTES + 1))
        other.send(packed())
        assert len(taken(mailbox)) == 1
        assert metrics.frames_received == 1
    finally:
        context.destroy(linger=0)


def test_a_fault_in_what_is_called_for_each_frame_ends_nothing(metrics, mailbox):
    calls = []

    def on_frame(head):
        calls.append(head)
        if len(calls) == 1:
            raise RuntimeError("broken")

    receiver = Receiver(mailbox, metrics, on_frame)
    context = zmq.Context()
    try:
        lane = Lane(context, receiver.open("tcp://127.0.0.1:*"))
        lane.send(packed())
        lane.send(packed(sequence=1))
        assert taken(mailbox)[0].header.sequence == 1
        assert metrics.frames_dropped["unexpected"] == 1
    finally:
        context.destroy(linger=0)
        receiver.close()


def test_a_flood_of_sessions_is_bounded(mailbox, receiver, lane, metrics, monkeypatch):
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    known = session()
    lane.send(packed(session=known))
    for _ in range(3):
        lane.send(packed(session=session()))
    lane.send(packed(session=known, sequence=1))
    until(lambda: total(metrics) == 5 + metrics.frames_dropped["full"] and metrics.frames_received == 5)
    assert metrics.frames_dropped["full"] == 2
    waiting = mailbox.take()
    assert len(waiting) == 2
    assert waiting[0].header.sequence == 1


def test_what_waits_is_bounded_in_bytes(mailbox, receiver, lane, metrics, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 2 * len(noise()))
    for _ in range(3):
        lane.send(packed(session=session()))
    until(lambda: metrics.frames_dropped["full"] == 1)
    assert len(mailbox.take()) == 2
    lane.send(packed(session=session()))
    assert len(taken(mailbox)) == 1


def test_every_frame_is_shown_to_the_listener_also_a_replaced_one(receiver, lane, metrics, seen):
    for sequence in range(3):
        lane.send(packed(sequence=sequence))
    until(lambda: metrics.frames_received == 3)
    assert [head.sequence for head in seen] == [0, 1, 2]


def test_waiting_ends_with_a_frame_or_the_mailbox(mailbox):
    got = []
    waiting = threading.Thread(target=lambda: got.append(taken(mailbox)))
    waiting.start()
    assert not got
    mailbox.close()
    waiting.join(5)
    assert got == [[]]


def test_arrival_is_on_the_receivers_own_clock(mailbox, receiver, lane):
    before_ns = time.monotonic_ns()
    lane.send(packed(captured_ns=1))
    (one,) = taken(mailbox)
    assert before_ns < one.arrived_ns <= time.monotonic_ns()


def test_a_lane_that_conflates_is_understood(mailbox, receiver):
    context = zmq.Context()
    lane = sockets.push_frames(context)
    lane.connect(receiver.open("tcp://127.0.0.1:*"))
    try:
        assert lane.poll(5000, zmq.POLLOUT)
        lane.send(packed())
        assert len(taken(mailbox)) == 1
    finally:
        context.destroy(linger=0)


def test_an_endpoint_in_use_is_refused_and_closes_cleanly(receiver, metrics):
    endpoint = receiver.open("tcp://127.0.0.1:*")
    second = Receiver(Mailbox(metrics), metrics, lambda head: None)
    with pytest.raises(BindError, match="already in use"):
        second.open(endpoint)
    second.close()


def test_close_twice_is_safe(receiver):
    receiver.open("tcp://127.0.0.1:*")
    receiver.close()
    receiver.close()


def test_a_path_in_use_is_refused_and_left_to_its_owner_who_removes_it(metrics, mailbox, receiver):
    with tempfile.TemporaryDirectory(prefix="p2p") as folder:
        endpoint = f"ipc://{folder}/frames.ipc"
        assert receiver.open(endpoint) == endpoint
        second = Receiver(Mailbox(metrics), metrics, lambda head: None)
        with pytest.raises(BindError, match="another process has it"):
            second.open(endpoint)
        second.close()
        context = zmq.Context()
        lane = sockets.push_frames(context)
        lane.connect(endpoint)
        assert lane.poll(5000, zmq.POLLOUT)
        lane.send(packed())
        assert len(taken(mailbox)) == 1
        context.destroy(linger=0)
        receiver.close()
        assert not list(Path(folder).iterdir())
