"""The project's Triton kernels on a pretended GPU: interpreted, and their launches counted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map

from harness import kernels
from harness.counting import Work
from harness.pretended_gpu import on_gpu, on_host
from inference_service.device.kernels.twin import Twin, twins

CPU = torch.device("cpu")
BLOCKS, LARGE = {"BLOCK", "PIXELS", "SQUARES"}, 1 << 14
"""Names of how much a program does, and how much it does here: each program costs an interpreter the same."""


@contextmanager
def interpreted() -> Iterator[Work]:
    """Let everything that has a kernel be done by it; gives what that launches and moves.

    Raises RuntimeError at its end where a kernel failed.
    """
    kernels.interpret()
    kernels.import_all()
    counted = Work()
    with ExitStack() as stack:
        for one in twins():
            kernel = one.load_kernel()
            stack.enter_context(patch.object(one, "_form", _counting(one, kernel, counted)))
            stack.enter_context(patch.object(one, "failure", None))
            for name in BLOCKS & set(vars(sys.modules[kernel.__module__])):
                stack.enter_context(patch.object(sys.modules[kernel.__module__], name, LARGE))
        yield counted
        if failed := [f"{one.name}: {one.failure}" for one in twins() if one.failure is not None]:
            raise RuntimeError(f"kernels failed: {', '.join(failed)}")


def _counting(one: Twin[Any, Any], kernel: Callable[..., Any], counted: Work) -> Callable[..., Any]:
    known: set[tuple[str, ...]] = set()

    def run(*args: Any) -> Any:
        with _disable_current_modes():
            if not known:
                known.update(_types(sample) for sample in one.samples(CPU))
            if _types(args) not in known:
                raise TypeError(f"{one.name} would be compiled in mid-call, for {_types(args)}")
            given = tree_map(lambda value: on_host(value) if isinstance(value, Tensor) else value, args)
            with _launched(counted, one.name):
                made = kernel(*given)
            return tree_map(lambda value: on_gpu(value) if isinstance(value, Tensor) else value, made)

    return run


@contextmanager
def _launched(counted: Work, name: str) -> Iterator[None]:
    """Count what each launch of a kernel is given: it reads or writes all of it."""
    from triton.runtime.interpreter import GridExecutor

    launch = GridExecutor.__call__

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        counted.operators[f"triton::{name}"] += 1
        counted.moved_bytes += sum(
            one.numel() * one.element_size() for one in (*args, *kwargs.values()) if isinstance(one, Tensor)
        )
        return launch(self, *args, **kwargs)

    with patch.object(GridExecutor, "__call__", run):
        yield


def _types(args: Sequence[Any]) -> tuple[str, ...]:
    """Return the types of all arguments; numbers and tuples of them are of one kind each."""
    return tuple(str(one.dtype) if isinstance(one, Tensor) else type(one).__name__ for one in args)
