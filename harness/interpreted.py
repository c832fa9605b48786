"""The project's Triton kernels on a pretended GPU: interpreted, and counted as one launch each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from harness import kernels
from harness.counting import Work
from harness.pretended_gpu import on_gpu, on_host
from inference_service.device.kernels.twin import Twin, twins


@contextmanager
def interpreted() -> Iterator[Work]:
    """Let everything that has a kernel be done by it; gives what that launches and moves."""
    kernels.interpret()
    kernels.import_all()
    counted = Work()
    with ExitStack() as stack:
        for one in twins():
            stack.enter_context(patch.object(one, "_form", _counting(one, counted)))
        yield counted


def _counting(one: Twin[Any, Any], counted: Work) -> Callable[..., Any]:
    kernel = one.load_kernel()

    def run(*args: Any) -> Any:
        with _disable_current_modes():
            given = tree_map(lambda value: on_host(value) if isinstance(value, Tensor) else value, args)
            made = kernel(*given)
            counted.operators[f"triton::{one.name}"] += 1
            counted.moved_bytes += sum(
                value.numel() * value.element_size()
                for value in tree_leaves((given, made))
                if isinstance(value, Tensor)
            )
            return tree_map(lambda value: on_gpu(value) if isinstance(value, Tensor) else value, made)

    return run
