"""Filters of known sizes on a device of made-up memory, through the registry."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import pytest
import torch

from inference_service.filters import base, loader
from inference_service.filters.entry import Progress
from inference_service.filters.registry import Registry
from inference_service.filters.room import Space
from shared.wire import FilterState
from tests.inference_service.doubles import Point, until

CPU = torch.device("cpu")
MIB = 1 << 20
SIZE_BYTES = 100 * MIB


class MadeMemory:
    """Each filter that is alive holds SIZE_BYTES."""

    reserve_bytes = 0
    is_shared = False

    def __init__(self, size_bytes):
        self.size_bytes = size_bytes
        self.alive: weakref.WeakSet[base.Filter] = weakref.WeakSet()
        self.unloaded: list[str] = []

    def take(self, one):
        if self.free_bytes() < SIZE_BYTES:
            raise MemoryError
        self.alive.add(one)

    def free_bytes(self):
        return self.size_bytes - self.held_bytes()

    def held_bytes(self):
        return SIZE_BYTES * len(self.alive)

    def give_back(self):
        pass


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make a registry of filters `a` to `d` that all hold SIZE_BYTES."""
    registries = []
    monkeypatch.setattr(loader, "ROOM_AGAIN_AFTER_S", 0.05)

    def make(memory_mib, limit_mib=None, idle_s=0.0, load=()):
        memory = MadeMemory(memory_mib * MIB)

        class Sized(base.Filter):
            title = "Sized"

            def load(self, device):
                memory.take(self)

            def unload(self):
                memory.unloaded.append(self.name)

            def apply(self, batch, items):
                return batch

        points: Any = {name: Point(name, type(name, (Sized,), {"name": name})) for name in "abcd"}
        space = Space(memory, None if limit_mib is None else limit_mib * MIB, idle_s)
        forgotten: list[str] = []
        registry: Any = Registry(
            points, CPU, {}, tmp_path, lambda one: None, lambda: None, space, forgotten.append
        )
        registry.memory, registry.forgotten = memory, forgotten
        registries.append(registry)
        registry.open(load)
        return registry

    yield make
    for registry in registries:
        registry.close()


def loaded(registry, *names):
    return until(lambda: not isinstance(got := registry.chain(names), Progress) and got)


def states(registry):
    return {s.name: (s.state.value, s.memory_bytes) for s in registry.statuses()}


HAS, HAS_NOT = ("loaded", SIZE_BYTES), ("loadable", 0)


def test_filters_stay_side_by_side_while_there_is_memory(made):
    registry = made(1000)
    for name in "abcd":
        loaded(registry, name)
    assert set(states(registry).values()) == {HAS}


@pytest.mark.parametrize(("memory_mib", "limit_mib"), [(250, None), (1000, 250)])
def test_the_one_not_used_for_longest_is_let_go_and_loaded_again_when_it_is_wanted(
    made, memory_mib, limit_mib
):
    registry = made(memory_mib, limit_mib)
    loaded(registry, "a")
    loaded(registry, "b")
    loaded(registry, "a")
    loaded(registry, "c")
    assert states(registry) == {"a": HAS, "b": HAS_NOT, "c": HAS, "d": HAS_NOT}
    assert registry.memory.unloaded == registry.forgotten == ["b"]
    assert isinstance(registry.chain(["b"]), Progress)
    loaded(registry, "b")
    # `a` was used last before `c`.
    assert states(registry) == {"a": HAS_NOT, "b": HAS, "c": HAS, "d": HAS_NOT}
    assert registry.memory.held_bytes() == 2 * SIZE_BYTES


def test_one_in_a_batch_under_way_is_not_let_go_and_the_other_waits_for_it(made):
    registry = made(250)
    chain = loaded(registry, "a", "b")
    registry.begin(chain)
    assert isinstance(registry.chain(["c"]), Progress)
    until(lambda: "memory" in registry.chain(["c"]).text)
    assert states(registry)["c"] == HAS_NOT
    assert registry.chain(["a", "b"]) == chain
    registry.end(chain)
    del chain
    loaded(registry, "c")
    assert list(states(registry).values()).count(HAS) == 2


def test_one_that_a_frame_has_wanted_lately_is_not_let_go(made):
    registry = made(150, idle_s=1e9)
    loaded(registry, "a")
    until(lambda: "memory" in registry.chain(["b"]).text)
    assert states(registry) == {"a": HAS, "b": HAS_NOT, "c": HAS_NOT, "d": HAS_NOT}


def test_the_limit_holds_for_one_whose_size_was_not_known(made):
    registry = made(1000, limit_mib=150, idle_s=1e9)
    loaded(registry, "a")
    until(lambda: "memory" in registry.chain(["b"]).text)
    until(lambda: registry.memory.held_bytes() == SIZE_BYTES)
    assert states(registry)["a"] == HAS


def test_one_that_does_not_even_fit_alone_has_failed(made):
    registry = made(50, load=["a"])
    # Not in the table before the thread has imported it.
    until(lambda: states(registry).get("a", HAS_NOT)[0] == FilterState.FAILED)
    with pytest.raises(Exception, match="did not fit into memory"):
        registry.chain(["a"])


def test_one_that_is_larger_than_the_limit_is_loaded_alone(made):
    registry = made(1000, limit_mib=50)
    loaded(registry, "a")
    loaded(registry, "b")
    assert states(registry) == {"a": HAS_NOT, "b": HAS, "c": HAS_NOT, "d": HAS_NOT}


def test_a_frame_that_did_not_fit_makes_room(made):
    registry = made(1000)
    loaded(registry, "a")
    loaded(registry, "b")
    registry.begin(loaded(registry, "b"))
    registry.make_room()
    until(lambda: states(registry)["a"] == HAS_NOT)
    registry.make_room()
    loaded(registry, "c")  # Behind it in the queue.
    assert states(registry)["b"] == HAS


def test_nobody_waits_while_one_is_let_go(made):
    registry = made(150)
    loaded(registry, "a")
    inside, go = threading.Event(), threading.Event()

    def unload(self):
        inside.set()
        assert go.wait(20)

    (one,) = loaded(registry, "a")
    type(one).unload = unload
    del one
    registry.chain(["b"])
    assert inside.wait(20)
    assert isinstance(registry.chain(["a"]), Progress)
    assert states(registry)["a"] == HAS_NOT
    go.set()
    loaded(registry, "b")


def test_one_whose_unloading_fails_is_let_go_all_the_same(made):
    registry = made(150)
    (one,) = loaded(registry, "a")

    def unload(self):
        raise ValueError

    type(one).unload = unload
    del one
    loaded(registry, "b")
    assert states(registry)["a"] == HAS_NOT


def test_on_a_shared_device_a_filter_waits_for_memory_that_another_process_has(made):
    registry = made(memory_mib=50)
    registry.memory.is_shared = True
    until(lambda: getattr(registry.chain(["a"]), "text", "") == loader.WAITS_FOR_ROOM.text)
    registry.memory.size_bytes = 100 * MIB
    until(lambda: not isinstance(registry.chain(["a"]), Progress))
