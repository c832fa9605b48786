from __future__ import annotations

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
    assert made.tried(lambda: module(torch.zeros(1, 2))) == []
    assert len(compiled) == 1
    module(torch.zeros(3, 2))
    assert len(compiled) == 1, "a new shape in the middle of a call"


def test_without_a_compiler_modules_run_as_they_are() -> None:
    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        raise RuntimeError("Failed to find C compiler")

    module, made = compiled_with(backend)
    (fallback,) = made.tried(lambda: module(torch.zeros(1, 2)))
    assert fallback.kind == "compile"
    with made.used():
        assert module(torch.zeros(1, 2)).shape == (1, 2)


@pytest.mark.parametrize("wished", [False, True])
def test_what_is_recorded_takes_the_compiled_form_only_where_that_is_wished_for(wished: bool) -> None:
    module, calls, fallbacks = nn.Linear(2, 2), list[str](), list[Fallback]()

    def compiled() -> Compiled:
        calls.append("compiled")
        return Compiled((module,), backend="eager")

    settings = RecordedSettings(compile=wished)
    with settings.compiling([], compiled, lambda: calls.append("tried"), fallbacks):
        assert not calls
    with settings.compiling([(640, 480)], compiled, lambda: calls.append("tried"), fallbacks):
        assert (module._compiled_call_impl is not None) == wished
    assert calls == (["compiled", "tried"] if wished else [])
    assert module._compiled_call_impl is None
    assert fallbacks == []
