from __future__ import annotations

import threading

import torch

from inference_service.device import captures


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
    turns, inside = captures.Turns(), threading.Event()

    def enter():
        with turns.taken():
            inside.set()

    other = threading.Thread(target=enter)
    with turns.taken():
        other.start()
        assert not inside.wait(0.05)
    assert inside.wait(5)
    other.join()


def test_a_device_has_one_stream_for_captures_however_often_filters_are_loaded(monkeypatch):
    made = []

    def stream(device, priority):
        made.append(priority)
        return object()

    monkeypatch.setattr(torch.cuda, "Stream", stream)
    captures.stream.cache_clear()
    try:
        streams = {captures.stream(torch.device("cuda", number)) for number in (0, 1) for _ in range(40)}
    finally:
        captures.stream.cache_clear()
    assert len(streams) == 2
    assert made == [-1, -1]
