from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from inference_service.filters.densepose import checkpoint, model, runner
from inference_service.filters.densepose.network import Limits, Network
from tests.inference_service.filters.densepose import narrow
from tests.inference_service.filters.densepose.scenes import batch_of, scene

pytestmark = pytest.mark.detectron2

SIZE = (256, 320)


@dataclass
class Recomputed:
    """Like a recording to whoever uses it: fixed inputs, results in fixed places."""

    function: Callable[..., Any]
    inputs: tuple[Tensor, ...]
    result: Any
    replays: int = 0

    def replay(self) -> Any:
        self.replays += 1
        _overwrite(self.result, self.function(*self.inputs))
        return self.result


def _overwrite(result: Any, new: Any) -> None:
    if isinstance(result, Tensor):
        result.copy_(new)
    else:
        for one, other in zip(result, new, strict=True):
            _overwrite(one, other)


class Recomputer:
    """In place of a Recorder where there is no GPU."""

    def __init__(self, device: torch.device) -> None:
        pass

    def record(self, function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Recomputed:
        return Recomputed(function, inputs, function(*inputs))


@pytest.fixture
def network(weights: Path) -> Network:
    made = model.build(narrow.narrow())
    checkpoint.load(made, weights)
    return Network(made, Limits(256, 256, 100, 8), torch.device("cpu"), torch.float32)


@torch.no_grad()
def test_recordings_see_what_is_seen_without(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "Recorder", Recomputer)
    plain, recorded = runner.Runner(network), runner.Runner(network)
    for piece in recorded.recordings([SIZE], max_batch=6, max_people=48):
        piece()
    # Batches that fill their bucket and that do not, so that pictures of the batch before lie behind them.
    for seeds in ((1, 2, 3, 4, 5, 6), (4, 5, 6, 1, 2), (3,), (6, 1, 5, 2, 3)):
        batch = batch_of(*(scene(SIZE, seed) for seed in seeds))
        min_scores = torch.linspace(0.3, 0.995, len(seeds))
        expected, got = plain.see(batch, min_scores), recorded.see(batch, min_scores)
        count = int((expected.people.rank >= 0).sum())
        assert count > 0
        assert got.poison.tolist() == [0.0] * len(seeds)
        for one, other in zip(expected.people, got.people, strict=True):
            assert torch.allclose(one.float(), other[:count].float(), atol=1e-2)
        assert expected.maps is not None
        assert got.maps is not None
        assert (expected.maps.argmax(1) == got.maps[:count].argmax(1)).float().mean() > 0.999
    made: list[Any] = list(recorded._findings.values())
    assert sum(one.search.replays + one.decode.replays for one in made) == 8, "each batch runs two recordings"


@torch.no_grad()
def test_cameras_of_other_sizes_share_what_is_recorded(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "Recorder", Recomputer)
    plain, recorded = runner.Runner(network), runner.Runner(network)
    sizes = [SIZE, (512, 640), (320, 256)]
    pieces = list(recorded.recordings(sizes, max_batch=1, max_people=1))
    assert len(pieces) == 3, "two sizes of the network's input, and one person"
    for piece in pieces:
        piece()
    scores = torch.full((1,), 0.3)
    for size in sizes:
        batch = batch_of(scene(size, 3))
        expected, got = plain.see(batch, scores), recorded.see(batch, scores)
        count = len(expected.people.boxes)
        assert torch.allclose(expected.people.boxes, got.people.boxes[:count], atol=1e-2)
        assert float(got.people.boxes.max()) > min(size), "in pixels of the picture, not of the network"
    made: list[Any] = list(recorded._findings.values())
    assert sum(one.search.replays for one in made) == len(sizes)


@torch.no_grad()
def test_what_was_cut_short_is_counted_and_logged_once(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.rounds = (1, 1)
    one = runner.Runner(network)
    for seed in (1, 2):
        one.see(batch_of(scene(SIZE, seed)), torch.full((1,), 0.5))
    assert one.unsettled >= 2
    assert len(caplog.records) == 1


@torch.no_grad()
def test_grids_are_kept_for_a_bounded_number_of_sizes(network: Network) -> None:
    one = runner.Runner(network)
    for number in range(runner.MAX_GRIDS + 3):
        one.see(torch.zeros(1, 3, 64, 64 + number, dtype=torch.uint8), torch.full((1,), runner.NOBODY))
    assert len(one._grids) == runner.MAX_GRIDS


@torch.no_grad()
def test_what_cannot_be_recorded_is_done_without(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Recomputer):
        order: ClassVar[list[int]] = []

        def record(self, function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Recomputed:
            self.order.append(len(inputs[0]))
            if len(inputs[0]) in (2, 16):
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
            return super().record(function, inputs)

    monkeypatch.setattr(runner, "Recorder", Failing)
    plain, recorded = runner.Runner(network), runner.Runner(network)
    for piece in recorded.recordings([SIZE], max_batch=3, max_people=24):
        piece()
    assert Failing.order[0] == 3, "the largest comes first"
    assert recorded.unrecorded.works == [f"2 of {SIZE[1]}x{SIZE[0]}", "16 people", "2 people"]
    assert recorded.largest == 3
    for seeds in ((1, 2, 3), (4, 5)):
        batch, scores = batch_of(*(scene(SIZE, seed) for seed in seeds)), torch.full((len(seeds),), 0.5)
        expected, got = plain.see(batch, scores), recorded.see(batch, scores)
        count = int((expected.people.rank >= 0).sum())
        assert torch.allclose(expected.people.boxes, got.people.boxes[:count], atol=1e-2)


def test_the_loop_sleeps_while_it_waits_for_the_number_of_people(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, bool]] = []
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "Event", lambda **kinds: asked.append(kinds))
        patch.setattr(torch, "empty", lambda *size, **kinds: None)
        runner.Runner(SimpleNamespace(device=torch.device("cuda", 0)))  # type: ignore[arg-type]
    assert asked == [{"blocking": True}], "a thread that spins would take a core"


def test_a_batch_without_a_recording_is_filled_up_to_a_number_that_is_met_often() -> None:
    pictures, scores = torch.ones(5, 3, 4, 4, dtype=torch.uint8), torch.full((5,), 0.5)
    more, more_scores = runner.filled(pictures, scores)
    assert more[:5].equal(pictures)
    assert not more[5:].any()
    assert more_scores.tolist() == [0.5] * 5 + [runner.NOBODY]
    assert runner.filled(more, more_scores)[0] is more
