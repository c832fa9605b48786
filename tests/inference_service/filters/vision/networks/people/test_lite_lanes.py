"""Pictures side by side in LiteRT: who computes them, and that nobody waits for a thread that waits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest
import torch

from inference_service.filters.vision.networks.people import files, lite
from inference_service.filters.vision.networks.people.network import read
from inference_service.filters.vision.networks.people.structure import Step, Structure

pytest.importorskip("ai_edge_litert")


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_pictures_are_dealt_to_lanes_and_come_back_in_their_order(lanes: int, count: int) -> None:
    steps = (Step("conv", (0,), 1, 1, (1, 1, 1, 1), groups=4), Step("rows", (0,), 2, width=2))
    made = torch.Generator().manual_seed(4)
    tensors = {
        "1.weight": torch.randn(8, 1, 3, 3, generator=made),
        "1.bias": torch.randn(8, generator=made),
    }
    network = lite.LiteNetwork(Structure((4, 9, 9), {"map": 1, "rows": 2}, steps), tensors, lanes)
    batch = torch.randn(count, 4, 9, 9, generator=made)
    alone = [torch.cat(parts) for parts in zip(*(network(one[None]) for one in batch), strict=True)]
    for outputs in (network(batch), network.begin(batch)()):
        for one, expected in zip(outputs, alone, strict=True):
            assert torch.equal(one, expected)


@pytest.fixture
def near() -> lite.LiteNetwork:
    return lite.LiteNetwork(*read(files.content("face_near")), 2)


def pictures(count: int, seed: int) -> torch.Tensor:
    """Return what that network takes."""
    return torch.rand(count, 3, 128, 128, generator=torch.Generator().manual_seed(seed))


def assert_equal(some: tuple[torch.Tensor, ...], others: tuple[torch.Tensor, ...]) -> None:
    assert all(torch.equal(*pair) for pair in zip(some, others, strict=True))


def within(seconds: float, call: Callable[[], tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """Return what a call returns; fails where it takes longer."""
    done: list[tuple[torch.Tensor, ...]] = []
    thread = threading.Thread(target=lambda: done.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert done, f"nothing has come within {seconds:g} s"
    return done[0]


def test_a_network_that_has_begun_computes_in_another_thread(near: lite.LiteNetwork) -> None:
    own = threading.get_ident()
    seen: list[int] = []
    has_run = threading.Event()
    for lane in near._lanes:
        run = lane.run
        lane.run = lambda *of, run=run: (seen.append(threading.get_ident()), run(*of), has_run.set())  # type: ignore
    batch = pictures(1, 5)
    expected = near(batch)
    assert seen == [own]
    has_run.clear()
    outputs = near.begin(batch)
    assert has_run.wait(10)
    assert_equal(outputs(), expected)
    assert len(seen) == 2
    assert seen[-1] != own


def test_a_network_that_nobody_waited_for_can_begin_anew(near: lite.LiteNetwork) -> None:
    one, other = pictures(4, 5), pictures(4, 6)
    expected = near(other)
    near.begin(one)
    assert_equal(near.begin(other)(), expected)


def test_whoever_waits_computes_what_no_thread_has_begun(near: lite.LiteNetwork) -> None:
    batch = pictures(3, 7)
    expected = near(batch)
    let_go = threading.Event()
    pool = lite._pool(os.getpid(), 2)
    busy = [pool.submit(let_go.wait) for _ in range(4)]
    try:
        assert_equal(within(10, lambda: near.begin(batch)()), expected)
        assert_equal(within(10, lambda: near(batch)), expected)
        near.begin(batch)
        assert_equal(within(10, lambda: near.begin(batch)()), expected)
    finally:
        let_go.set()
    assert all(one.result() for one in busy)


def test_a_fork_computes_without_the_threads_of_its_parent(near: lite.LiteNetwork) -> None:
    batch = pictures(4, 8)
    expected = near(batch)
    entered, let_go = threading.Event(), threading.Event()
    near._lanes[1].run = lambda *of: (entered.set(), let_go.wait())  # type: ignore
    near.begin(batch)
    assert entered.wait(10)
    # LiteRT itself is not in the middle of a picture.
    near._under_way[0]._future.result(10)
    if (fork := os.fork()) == 0:
        code = 1
        try:
            del near._lanes[1].run
            # Torch's own threads, which an earlier test may have started, are not there either.
            torch.set_num_threads(1)
            # Not pytest's: Python's handlers wait for the end of what hangs in C.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(90)
            found = near.begin(batch)()
            code = int(not all(torch.equal(*pair) for pair in zip(found, expected, strict=True)))
        finally:
            os._exit(code)
    let_go.set()
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
