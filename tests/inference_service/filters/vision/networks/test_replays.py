from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from harness import counting
from harness.recomputed import Recomputed, Recorder
from inference_service.filters import loading
from inference_service.filters.installed import installed
from inference_service.filters.vision.networks import graphs
from inference_service.filters.vision.networks.people import recorded
from inference_service.filters.vision.networks.people.network import Network
from inference_service.filters.vision.networks.replays import Replays

CPU = torch.device("cpu")


def both(one: Tensor, other: Tensor) -> tuple[Tensor, ...]:
    return one + other, one * other


@torch.inference_mode()
def test_fewer_rows_than_recorded_give_what_they_give_alone() -> None:
    recorder: Any = Recorder(CPU)
    made, unrecorded = Replays(), graphs.Unrecorded(CPU)
    static = torch.zeros(6, 4), torch.zeros(6, 4)
    for piece in made.pieces("both", both, static, recorder, unrecorded, "it"):
        piece()
    assert recorder.counts == [6, 4, 3, 2, 1]
    assert unrecorded.works == ["3 of it"]
    assert [one.kind for one in unrecorded.fallbacks()] == ["memory"]
    kept = []
    for count in (6, 5, 3, 1):
        given = torch.randn(count, 4), torch.randn(count, 4)
        kept.append((made.run("both", both, *given), both(*given)))
    # Of an earlier batch nothing is written over.
    for got, expected in kept:
        for one, other in zip(got, expected, strict=True):
            torch.testing.assert_close(one, other)
    recordings: dict[Any, Any] = made._made
    ran = {count: of.replays for (_, count), of in recordings.items()}
    assert ran == {6: 2, 4: 0, 2: 0, 1: 1}, "5 are filled up to 6; 3 are done without"


@torch.inference_mode()
def test_another_key_has_no_recording_of_this_one() -> None:
    made = Replays()
    recorder: Any = Recorder(CPU)
    static = torch.zeros(1, 1), torch.zeros(1, 1)
    for piece in made.pieces("a", both, static, recorder, graphs.Unrecorded(CPU), ""):
        piece()
    assert made.run("b", lambda one: (one - 1,), torch.zeros(1, 1))[0].item() == -1
    assert made.run("a", both, torch.ones(1, 1), torch.ones(1, 1))[0].item() == 2


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let filters record on a CPU."""
    monkeypatch.setattr(recorded, "Recorder", Recorder)
    monkeypatch.setattr(recorded, "can_record", lambda: True)
    monkeypatch.setattr(recorded, "can_record_on", lambda device: True)
    monkeypatch.setattr(recorded, "MOST_ROWS", 4)


@pytest.mark.parametrize("name", ["background", "pose", "face"])
def test_a_filters_networks_are_one_launch_each_once_they_are_recorded(
    recording: None, tmp_path: Path, name: str
) -> None:
    made: Any = loading.load(installed()[name].load(), CPU, {}, tmp_path)
    made.fallbacks.clear()
    networks = [one for one in made.recordables if isinstance(one, Network)]
    for network in networks:
        # As on a GPU: torch runs it.
        network._lite = None
    rows = [torch.rand(2, *network.input) for network in networks]

    def run() -> list[tuple[Tensor, ...]]:
        return [network(row) for network, row in zip(networks, rows, strict=True)]

    eager, expected = counting.count(run).operators.total(), run()
    for piece in made.recordings():
        piece()
    assert [one.kind for one in made.fallbacks] == ["memory"], "three rows did not fit"
    for of_one, of_other in zip(run(), expected, strict=True):
        for one, other in zip(of_one, of_other, strict=True):
            torch.testing.assert_close(one, other)
    Recomputed.is_counted = True
    try:
        launches = counting.count(run).operators.total()
    finally:
        Recomputed.is_counted = False
    copies = sum(1 + len(network.outputs) for network in networks)
    assert launches == copies
    assert eager > 8 * (launches + len(networks))


@pytest.mark.parametrize(("name", "most"), [("background", 12), ("pose", 43), ("face", 108)])
def test_a_filter_has_so_many_recordings_at_most(
    recording: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, most: int
) -> None:
    monkeypatch.setattr(recorded, "MOST_ROWS", 64)
    made: Any = loading.load(installed()[name].load(), CPU, {}, tmp_path)
    assert most * 0.9 < sum(1 for _ in made.recordings()) <= most


@pytest.mark.parametrize(("sizes", "most"), [(graphs.SMALL, 1.5), (graphs.TINY, 2)])
def test_what_is_filled_up_is_not_much_more_than_what_is_asked_for(
    sizes: tuple[int, ...], most: float
) -> None:
    for count in range(1, 65):
        assert count <= graphs.bucket(count, sizes) < max(count + 2, count * most)


def test_an_operator_may_want_no_graphs(recording: None, tmp_path: Path) -> None:
    made: Any = loading.load(installed()["face"].load(), CPU, {"cuda_graphs": False}, tmp_path)
    made.fallbacks.clear()
    assert list(made.recordings()) == []
    assert made.fallbacks == []
