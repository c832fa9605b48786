from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest
import torch

from inference_service.device import context
from inference_service.device.kernels import twin
from inference_service.filters import base, recording
from inference_service.filters.base import Fallback
from inference_service.filters.entry import Progress
from inference_service.filters.registry import Registry
from inference_service.filters.room import Space
from shared.wire import FilterState
from tests.inference_service.doubles import Point, Recorder, until

MIB = 1 << 20
CPU = torch.device("cpu")


class Memory:
    """A device's, of which a test says what is left."""

    reserve_bytes = 10 * MIB
    is_shared = True

    def __init__(self) -> None:
        self.held = 0
        self.size = 1000 * MIB

    def free_bytes(self) -> int:
        return self.size - self.held

    def held_bytes(self) -> int:
        return self.held

    def give_back(self) -> None:
        pass


class Slow(Recorder):
    """Has three pieces left when it serves; each waits for the test, then takes 100 MiB."""

    name = "slow"
    memory: ClassVar[Memory]
    done: ClassVar[list[int]]
    begun: ClassVar[threading.Semaphore]
    go: ClassVar[threading.Semaphore]
    error: ClassVar[Exception | None]

    def recordings(self) -> Iterator[base.Piece]:
        try:
            for number in (3, 2, 1):
                yield lambda number=number: self._record(number)  # type: ignore[misc]
        finally:
            if len(self.done) < 3:
                self.fallbacks.append(Fallback("graphs", f"has {len(self.done)} of 3"))

    def _record(self, number: int) -> None:
        self.begun.release()
        assert self.go.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        self.memory.held += 100 * MIB
        self.done.append(number)

    def apply(self, batch: torch.Tensor, items: Sequence[base.Item]) -> torch.Tensor:
        return batch


@pytest.fixture
def memory():
    Slow.memory, Slow.done, Slow.error = Memory(), [], None
    Slow.begun, Slow.go = threading.Semaphore(0), threading.Semaphore(0)
    return Slow.memory


@pytest.fixture
def opened(tmp_path, memory):
    made = []

    def make(limit_bytes=None, **told):
        points: dict[str, Any] = {cls.name: Point(cls.name, cls) for cls in (Slow, Recorder)}
        space = Space(memory, limit_bytes, idle_s=0.0)
        registry = Registry(points, CPU, {}, tmp_path, lambda one: None, lambda: None, space, **told)
        made.append(registry)
        registry.open(["slow"])
        return registry

    yield make
    Slow.go.release(100)
    for registry in made:
        registry.close()


def status(registry, name="slow"):
    return next(one for one in registry.statuses() if one.name == name)


def loaded(registry, name="slow"):
    return until(lambda: not isinstance(got := registry.chain([name]), Progress) and got)


def test_a_filter_serves_while_it_records_and_others_are_loaded_in_between(opened):
    registry = opened()
    loaded(registry)
    assert Slow.begun.acquire(timeout=60)
    assert status(registry).state is FilterState.LOADED
    assert registry.loading_since_ns is None
    assert isinstance(registry.chain(["recorder"]), Progress)
    Slow.go.release()
    loaded(registry, "recorder")
    assert Slow.done == [3], "the largest first, and whoever waits before the next"
    Slow.go.release(2)
    until(lambda: len(Slow.done) == 3)
    until(lambda: registry._entries["slow"].recordings is None)
    assert status(registry).reason == ""
    assert registry._entries["slow"].held_bytes == 300 * MIB


@pytest.mark.parametrize("by", ["reserve", "limit"])
def test_where_memory_ends_the_rest_is_left_out_and_told_once(opened, memory, caplog, by):
    told: list[str] = []
    memory.size = 1000 * MIB if by == "limit" else 210 * MIB
    registry = opened(150 * MIB if by == "limit" else None, on_fallback=told.append)
    Slow.go.release(100)
    until(lambda: registry._entries["slow"].loaded and registry._entries["slow"].recordings is None)
    until(lambda: status(registry).reason)
    assert Slow.done == [3, 2]
    assert told == ["memory", "graphs"]
    assert recording.FULL.text in status(registry).reason
    assert "has 2 of 3" in status(registry).reason
    assert status(registry).state is FilterState.LOADED
    assert caplog.text.count(recording.FULL.text) == 1


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_piece_that_fails_ends_the_rest_alone_unless_the_gpu_is_broken(opened, monkeypatch, is_broken):
    broken: list[bool] = []
    monkeypatch.setattr(context, "is_broken", lambda device, exc: is_broken)
    Slow.error = RuntimeError("CUDA error: an illegal memory access was encountered")
    registry = opened(on_broken=lambda: broken.append(True))
    Slow.go.release(100)
    until(lambda: loaded(registry) and status(registry).reason)
    assert recording.FAILED.text in status(registry).reason
    assert broken == [True] * is_broken


def test_a_piece_that_is_stuck_leaves_its_filter_as_it_is_and_others_are_loaded(opened):
    told: list[str] = []
    registry = opened(on_fallback=told.append)
    loaded(registry)
    assert Slow.begun.acquire(timeout=60)
    left = next(one for one in threading.enumerate() if one.name == "loader")
    registry.relieve(0)
    assert (status(registry).state, status(registry).reason) == (FilterState.LOADED, recording.STUCK.text)
    assert told == ["graphs"]
    loaded(registry, "recorder")
    assert registry.chain(["slow"])
    Slow.go.release()
    left.join(60)
    assert not left.is_alive()
    assert Slow.done == [3], "nothing more is recorded"


def test_the_end_waits_for_the_piece_under_way_and_for_no_other(opened):
    registry = opened()
    loaded(registry)
    assert Slow.begun.acquire(timeout=60)
    ended = threading.Thread(target=registry.close)
    ended.start()
    ended.join(0.1)
    assert ended.is_alive()
    Slow.go.release(3)
    ended.join(60)
    assert Slow.done == [3]


def test_what_is_let_go_records_no_more(opened):
    registry = opened()
    loaded(registry)
    assert Slow.begun.acquire(timeout=60)
    registry.make_room()
    Slow.go.release()
    until(lambda: registry._entries["slow"].loaded is None)
    until(lambda: registry._loader._jobs.empty())
    assert Slow.done == [3]


def test_kernels_are_decided_about_before_graphs_and_what_fails_is_told(opened, monkeypatch, caplog):
    done = []
    monkeypatch.setattr(twin, "pieces", lambda device: iter([lambda: done.append(device)]))
    monkeypatch.setattr(twin, "failures", lambda: ["RuntimeError"])
    registry = opened()
    Slow.go.release(100)
    until(lambda: len(Slow.done) == 3)
    assert done == [CPU]
    until(lambda: status(registry).reason)
    assert "draws without Triton's kernels, which have failed (RuntimeError)" in caplog.text
