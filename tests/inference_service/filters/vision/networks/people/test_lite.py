"""LiteRT runs the networks on a CPU, and torch does where it cannot."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from inference_service.filters.background import Background
from inference_service.filters.face import Face
from inference_service.filters.loading import load
from inference_service.filters.vision.networks.people import files, lite
from inference_service.filters.vision.networks.people.network import Network
from inference_service.filters.vision.networks.people.structure import Step, Structure

pytest.importorskip("ai_edge_litert")

CPU = torch.device("cpu")
C, SIDE = 4, 9
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "conv": {"weight": (8, C, 3, 3), "bias": (8,), "slope": (8,)},
    "depthwise": {"weight": (2 * C, 1, 3, 3), "bias": (2 * C,), "slope": (2 * C,)},
    "upconv": {"weight": (C, 2, 2, 2), "bias": (2,), "slope": (2,)},
    "other": {"slope": (C,)},
}
STEPS = {
    "conv": Step("conv", (0,), 1, act="relu"),
    "conv, zeros as TensorFlow's SAME": Step("conv", (0,), 1, 2, (1, 1, 1, 1), act="relu6"),
    "conv, zeros otherwise": Step("conv", (0,), 1, 2, (0, 1, 1, 2), act="hardswish"),
    "depthwise": Step("conv", (0,), 1, 1, (1, 1, 1, 1), groups=C, act="prelu"),
    "upconv": Step("upconv", (0,), 1, act="sigmoid"),
    "mul": Step("mul", (0, 0), 1, act="relu"),
    "mean": Step("mean", (0,), 1),
    "max_pool": Step("max_pool", (0,), 1),
    "resize": Step("resize", (0,), 1, size=(18, 14)),
    "act": Step("act", (0,), 1, act="prelu"),
    "depth_to_space": Step("depth_to_space", (0,), 1),
    "rows": Step("rows", (0,), 1, width=2),
}


def both(structure: Structure, shapes: dict[str, tuple[int, ...]]) -> tuple[lite.LiteNetwork, Network]:
    """Return LiteRT's and torch's form of a network of these tensors, named as in the weights files."""
    made = torch.Generator().manual_seed(2)
    tensors = {name: torch.randn(*shape, generator=made) for name, shape in shapes.items()}
    by_torch = Network(structure, tensors, CPU, torch.float32, by_torch=True)
    return lite.LiteNetwork(structure, tensors, 2), by_torch


def assert_alike(some: lite.LiteNetwork, other: Network) -> None:
    batch = torch.randn(3, *other.input, generator=torch.Generator().manual_seed(3))
    for one, expected in zip(some(batch), other(batch), strict=True):
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", STEPS)
def test_an_operator_is_that_of_torch(name: str) -> None:
    step = STEPS[name]
    kind = "depthwise" if step.groups > 1 else step.op
    shapes = {f"1.{tensor}": shape for tensor, shape in SHAPES.get(kind, SHAPES["other"]).items()}
    assert_alike(*both(Structure((C, SIDE, SIDE), {"out": 1}, (step,)), shapes))


def test_sums_of_fewer_channels_and_joined_rows_are_those_of_torch() -> None:
    steps = (
        Step("conv", (0,), 1),
        Step("add", (1, 0), 2, act="relu"),
        Step("rows", (2,), 3, width=2),
        Step("rows", (0,), 4, width=2),
        Step("concat", (3, 4), 5),
    )
    shapes = {"1.weight": (2 * C, C, 1, 1), "1.bias": (2 * C,)}
    assert_alike(*both(Structure((C, SIDE, SIDE), {"sum": 2, "rows": 5}, steps), shapes))


def test_litert_runs_single_precision_on_a_cpu_alone() -> None:
    assert files.load("face_near", CPU).runtime == "LiteRT"
    assert files.load("face_near", CPU, torch.float16).runtime == "torch"
    assert files.load("face_near", torch.device("meta")).runtime == "torch"


def test_torch_runs_it_where_litert_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite, "find_spec", lambda _: None)
    network = files.load("face_near", CPU)
    assert (network.runtime, network.fallback) == ("torch", None)


def broken(*_: Any) -> Any:
    raise ValueError("no such operator")


@pytest.mark.parametrize(
    ("method", "instead"),
    [("__init__", broken), ("__call__", broken), ("__call__", lambda *_: (torch.zeros(1, 1, 256, 256),))],
)
def test_torch_runs_it_where_litert_fails_or_answers_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, method: str, instead: Any
) -> None:
    monkeypatch.setattr(lite.LiteNetwork, method, instead)
    assert files.load("person_general", CPU).runtime == "torch"
    made = load(Background, CPU, {}, tmp_path)
    (fallback,) = made.fallbacks
    assert fallback.kind == "runtime"
    assert "LiteRT has failed" in fallback.text


def test_a_filter_of_several_networks_says_so_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lite.LiteNetwork, "__init__", broken)
    assert len(load(Face, CPU, {}, tmp_path).fallbacks) == 1


def test_weights_that_are_no_numbers_stay_torchs() -> None:
    structure = Structure((C, SIDE, SIDE), {"out": 1}, (Step("conv", (0,), 1, act="relu"),))
    tensors = {"1.weight": torch.full((8, C, 3, 3), torch.nan), "1.bias": torch.zeros(8)}
    network = Network(structure, tensors, CPU, torch.float32)
    assert network.runtime == "torch"
    assert network(torch.ones(1, C, SIDE, SIDE))[0].isnan().all()


def test_torch_goes_on_where_litert_fails_in_mid_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = files.load("person_general", CPU)
    picture = torch.rand(1, *network.input)
    (before,) = network(picture)
    monkeypatch.setattr(lite.LiteNetwork, "__call__", broken)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            (after,) = network(picture)
            torch.testing.assert_close(after, before, atol=1e-3, rtol=0)
    assert len(caplog.records) == 1
    assert network.runtime == "torch"
    assert network.fallback == lite.FAILED


@pytest.mark.parametrize("where", [(lite._Lane, "run"), (lite.LiteNetwork, "begin")])
def test_torch_goes_on_where_litert_fails_after_a_network_has_begun(
    monkeypatch: pytest.MonkeyPatch, where: tuple[type, str]
) -> None:
    network = files.load("person_general", CPU)
    picture = torch.rand(2, *network.input)
    (before,) = network(picture)
    monkeypatch.setattr(*where, broken)
    told: list[object] = []
    network.on_fallback = told.append
    (after,) = network.begin(picture)()
    torch.testing.assert_close(after, before, atol=1e-3, rtol=0)
    (again,) = network.begin(picture)()
    assert torch.equal(again, after)
    assert (network.runtime, told) == ("torch", [lite.FAILED])


def test_a_filter_says_once_that_litert_has_failed_in_mid_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = load(Face, CPU, {}, tmp_path)
    assert not made.fallbacks
    monkeypatch.setattr(lite.LiteNetwork, "__call__", broken)
    assert isinstance(made, Face)
    for network in made.recordables:
        if isinstance(network, Network):
            network(torch.rand(1, *network.input))
    assert made.fallbacks == [lite.FAILED]


QUIET = """
import os, torch
from inference_service.filters.vision.networks.people import files, lite
assert files.load("face_near", torch.device("cpu")).runtime == "LiteRT"
with lite._native_stderr_logged():
    os.write(2, b"INFO: of LiteRT\\nof another thread\\n")
"""


def test_litert_writes_nothing_to_stderr_but_others_do() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "of another thread\n")


def test_litert_works_where_stderr_is_closed() -> None:
    code = QUIET.replace("import os, torch", "import os, torch; os.close(2)").partition("with ")[0]
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
