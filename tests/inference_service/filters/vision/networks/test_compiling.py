from __future__ import annotations

import shutil
import threading

import pytest
import torch
from torch import Tensor, nn

from inference_service.filters.base import Fallback
from inference_service.filters.vision.networks.compiling import Compiled
from inference_service.filters.vision.settings.recorded import RecordedSettings


def compiled_with(backend: object) -> tuple[nn.Module, Compiled]:
    module = nn.Linear(2, 2)
    return module, Compiled((module,), backend=backend)


def test_a_compiled_form_is_taken_where_work_is_recorded_and_nowhere_else() -> None:
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        compiled.append(len(inputs))
        return graph.forward

    module, made = compiled_with(backend)
    module(torch.zeros(1, 2))
    assert not compiled
    made.tried(lambda: module(torch.zeros(1, 2)))
    assert made.failures == []
    assert len(compiled) == 1
    module(torch.zeros(3, 2))
    assert len(compiled) == 1, "a new shape in the middle of a call"


def test_without_a_compiler_modules_run_as_they_are() -> None:
    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        raise RuntimeError("Failed to find C compiler")

    module, made = compiled_with(backend)
    made.tried(lambda: module(torch.zeros(1, 2)))
    (fallback,) = made.failures
    assert fallback.kind == "compile"
    with made.used():
        assert module(torch.zeros(1, 2)).shape == (1, 2)


def test_the_loop_runs_modules_as_they_are_while_another_thread_records() -> None:
    shapes: list[tuple[int, ...]] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        shapes.append(tuple(inputs[-1].shape))
        return graph.forward

    module, made = compiled_with(backend)
    with made.used():
        loop = threading.Thread(target=lambda: module(torch.zeros(5, 2)))
        loop.start()
        loop.join()
        assert not shapes, "compiling in the middle of a call"
        module(torch.zeros(1, 2))
    assert len(shapes) == 1


@pytest.mark.parametrize("wished", [False, True])
def test_what_is_recorded_takes_the_compiled_form_only_where_that_is_wished_for(wished: bool) -> None:
    module, calls, fallbacks = nn.Linear(2, 2), list[str](), list[Fallback]()

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        calls.append("compiled")
        return graph.forward

    def piece() -> None:
        module(torch.zeros(1, 2))
        calls.append("recorded")

    settings = RecordedSettings(compile=wished)
    pieces = settings.compiling(
        lambda: Compiled((module,), backend=backend), lambda: calls.append("tried"), [piece, piece], fallbacks
    )
    for one in pieces:
        one()
        module(torch.zeros(7, 2))
    assert calls == (["tried", "compiled"] if wished else []) + ["recorded"] * 2
    assert fallbacks == []


def test_a_shape_that_cannot_be_compiled_is_recorded_as_it_is_and_told_once() -> None:
    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        if inputs[-1].shape[0] > 1:
            raise RuntimeError("this shape needs too much shared memory")
        return graph.forward

    module, fallbacks, made = nn.Linear(2, 2), list[Fallback](), list[Tensor]()
    pieces = [lambda rows=rows: made.append(module(torch.ones(rows, 2))) for rows in (1, 2, 3)]
    settings = RecordedSettings(compile=True)
    form = Compiled((module,), dynamic=False, backend=backend)
    for one in settings.compiling(lambda: form, lambda: module(torch.ones(1, 2)), pieces, fallbacks):
        one()
    assert [len(rows) for rows in made] == [1, 2, 3]
    assert [one.kind for one in fallbacks] == ["compile"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
def test_a_c_compiler_is_all_that_compiling_needs() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    made = Compiled((module,), dynamic=False)
    made.tried(lambda: module(torch.ones(1, 4)))
    assert made.failures == []
    with torch.inference_mode(), made.used():
        torch.testing.assert_close(module(torch.ones(2, 4)), module[1](module[0](torch.ones(2, 4))))


@pytest.mark.slow
def test_without_one_torch_says_so_and_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a GPU it is Triton that asks for one, with the same outcome.
    torch._dynamo.reset()
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU())
    made = Compiled((module,), dynamic=False)
    made.tried(lambda: module(torch.ones(1, 4)))
    (fallback,) = made.failures
    assert fallback.kind == "compile"
    with made.used():
        assert module(torch.ones(1, 4)).shape == (1, 3)
