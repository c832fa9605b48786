from __future__ import annotations

import torch
from torch import Tensor, nn

from inference_service.filters.vision.networks.compiling import Compiled


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
