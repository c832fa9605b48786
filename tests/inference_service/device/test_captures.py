from __future__ import annotations

import threading

import torch

from inference_service.device import captures
from tests.inference_service.doubles import until


def test_who_waits_comes_before_who_has_just_had_a_turn():
    turns, order = captures.Turns(), []
    begun, stop = threading.Event(), threading.Event()

    def loop():
        while not stop.is_set():
            with turns.taken():
                order.append("batch")
                begun.set()

    thread = threading.Thread(target=loop)
    thread.start()
    assert begun.wait(5)
    for _ in range(20):
        with turns.taken():
            order.append("capture")
    stop.set()
    thread.join(5)
    assert order.count("capture") == 20


def test_no_two_have_a_turn_at_once():
    turns, inside = captures.Turns(), []
    other = threading.Thread(target=lambda: inside.append(turns.taken().__enter__()))
    with turns.taken():
        other.start()
        assert not inside
        other.join(0.05)
        assert not inside
    until(lambda: inside)


def test_a_device_has_one_stream_for_captures_however_often_filters_are_loaded(monkeypatch):
    made = []
    monkeypatch.setattr(torch.cuda, "Stream", lambda device, priority: made.append(priority) or object())
    captures.stream.cache_clear()
    try:
        streams = {captures.stream(torch.device("cuda", number)) for number in (0, 1) for _ in range(40)}
    finally:
        captures.stream.cache_clear()
    assert len(streams) == 2
    assert made == [-1, -1]
