from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from inference_service.device import crossing as module
from inference_service.device.crossing import CpuCrossings, GpuCrossings

ROWS, WIDTH = 72, 64


def planes(count=3):
    return list(np.random.default_rng(count).integers(0, 256, (count, ROWS, WIDTH), np.uint8))


def cross(crossings, sent, spoiled=None):
    one = crossings.begin()
    with crossings.computing():
        one.download(255 - one.upload(sent), spoiled)
    return one


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def crossings(request):
    if request.param == "cpu":
        return CpuCrossings()
    return GpuCrossings(torch.device("cuda", 0))


def test_what_crosses_comes_back_in_its_order(crossings):
    sent = planes()
    one = cross(crossings, sent)
    arrived = one.arrive()
    assert np.array_equal(arrived.planes_i420, 255 - np.stack(sent))
    assert arrived.spoiled.tolist() == [False] * 3
    one.close()
    one.close()


def test_spoiled_pictures_are_told(crossings):
    device = "cpu" if isinstance(crossings, CpuCrossings) else "cuda"
    one = cross(crossings, planes(), torch.tensor([False, True, False], device=device))
    assert one.arrive().spoiled.tolist() == [False, True, False]
    one.close()


def test_what_came_is_never_the_memory_that_is_filtered(crossings):
    sent = planes(1)
    before = sent[0].copy()
    one = crossings.begin()
    with crossings.computing():
        one.upload(sent).fill_(7)
    assert np.array_equal(sent[0], before)
    one.close()


def test_two_batches_under_way_have_memory_of_their_own(crossings):
    first_sent, second_sent = planes(2), planes(4)
    first, second = cross(crossings, first_sent), cross(crossings, second_sent)
    assert np.array_equal(second.arrive().planes_i420, 255 - np.stack(second_sent))
    assert np.array_equal(first.arrive().planes_i420, 255 - np.stack(first_sent))
    first.close()
    third = cross(crossings, planes(3))
    assert np.array_equal(second.arrive().planes_i420, 255 - np.stack(second_sent))
    for one in (second, third):
        one.close()


class Streams:
    """Stands in for a GPU's streams and events, and writes down who waits for whom."""

    def __init__(self, monkeypatch):
        self.log = []
        self.current = Stream(self, "default")
        made = iter(["uploading", "filtering", "downloading"])
        monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(self, next(made)))
        monkeypatch.setattr(torch.cuda, "Event", lambda **kinds: Event(self))
        monkeypatch.setattr(torch.cuda, "stream", self.on)
        monkeypatch.setattr(torch.cuda, "device", lambda device: self.on(self.current))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self.current)
        monkeypatch.setattr(
            torch.Tensor, "record_stream", lambda tensor, stream: self.note("kept for", stream)
        )
        monkeypatch.setattr(module, "_page_locked", lambda size: torch.empty(size, dtype=torch.uint8))

    def note(self, what, stream):
        self.log.append((what, stream.name))

    @contextmanager
    def on(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before


class Stream:
    def __init__(self, streams, name):
        self.streams, self.name = streams, name

    def wait_event(self, event):
        self.streams.log.append((self.name, "waits for", event.stream.name))


class Event:
    def __init__(self, streams):
        self.streams, self.stream = streams, streams.current

    def record(self, stream=None):
        self.stream = stream or self.streams.current

    def synchronize(self):
        self.streams.log.append(("host", "waits for", self.stream.name))

    def elapsed_time(self, other):
        return 1.0


def test_on_a_gpu_each_stream_waits_for_the_one_before_it_and_the_host_for_the_last(monkeypatch):
    streams = Streams(monkeypatch)
    crossings = GpuCrossings(torch.device("cpu"))
    one = crossings.begin()
    with crossings.computing():
        assert streams.current.name == "filtering"
        uploaded = one.upload(planes())
        assert streams.log == [("filtering", "waits for", "uploading"), ("kept for", "filtering")]
        streams.log.clear()
        one.download(uploaded.clone(), torch.tensor([False, False, True]))
    kept = ("kept for", "downloading")
    assert streams.log == [("downloading", "waits for", "filtering"), kept, kept]
    streams.log.clear()
    arrived = one.arrive()
    assert streams.log == [("host", "waits for", "downloading")]
    assert np.array_equal(arrived.planes_i420, np.stack(planes()))
    assert arrived.spoiled.tolist() == [False, False, True]


def pinned(crossing):
    """Return the memory that it holds."""
    return crossing._pinned


def test_on_a_gpu_memory_is_used_again_only_after_both_ways_are_over(monkeypatch):
    streams = Streams(monkeypatch)
    crossings = GpuCrossings(torch.device("cpu"))
    first = cross(crossings, planes())
    memory = pinned(first)
    assert pinned(crossings.begin()) is not memory
    streams.log.clear()
    first.close()
    assert streams.log == [("host", "waits for", "uploading"), ("host", "waits for", "downloading")]
    assert pinned(crossings.begin()) is memory
