"""A GPU that is not there: tensors that say they are on it, with their values in host memory.

Within `pretended_gpu` a filter loads and runs on `CUDA` as on a card: it takes the branches for a GPU, in its
precision there. What a card would refuse raises here: an operator on tensors of both sides, and `numpy` or
`tolist` of a tensor on the card. So it shows whether such a branch runs, what its picture is, and, with
`counting`, what it launches and where it waits. It shows nothing of a card's speed or its own rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

CUDA = torch.device("cuda", 0)
_CPU = torch.device("cpu")
_MADE_OF_OTHERS = torch._C.DispatchKey.CompositeImplicitAutograd
_MIXES = {"aten::copy_", "aten::index", "aten::index_put_", "aten::_index_put_impl_"}
"""What takes tensors of both sides on a card, too."""


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Let `CUDA` be a device; for one thread at a time, and filters without CUDA graphs."""
    with ExitStack() as stack:
        for name in ("tensor", "empty", "zeros", "ones", "full"):
            stack.enter_context(patch.object(torch, name, _without_pinning(getattr(torch, name))))
        stack.enter_context(patch.object(torch.cuda, "_lazy_init", lambda: None))
        stack.enter_context(patch.object(torch.cuda, "current_stream", lambda device=None: _Stream()))
        stack.enter_context(patch.object(torch.cuda, "device", lambda device: nullcontext()))
        before = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            with _Device():  # type: ignore[no-untyped-call]
                yield
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(before)


def on_host(value: Tensor) -> Tensor:
    """Return the values of a tensor, wherever it says it is."""
    return value.in_host if isinstance(value, _OnGpu) else value


def on_gpu(value: Tensor) -> Tensor:
    """Return a tensor of the pretended GPU that has these values."""
    return value if isinstance(value, _OnGpu) else _OnGpu(value)


class _OnGpu(Tensor):
    """To torch's own code a tensor of the host: its guards of devices would ask the driver.

    So a device that such code names is where the tensor is already; `to` and `cpu` are told apart before.
    """

    in_host: Tensor

    @staticmethod
    def __new__(cls, in_host: Tensor) -> _OnGpu:
        made: _OnGpu = Tensor._make_wrapper_subclass(
            cls,
            in_host.shape,
            strides=in_host.stride(),
            storage_offset=in_host.storage_offset(),
            dtype=in_host.dtype,
            layout=in_host.layout,
            device=_CPU,
            requires_grad=False,
        )
        made.in_host = in_host
        return made

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def cpu(self, *args: Any) -> Tensor:
        # What counts waits sees this call; to torch the tensor is there already.
        super().cpu(*args)
        return self.in_host.clone()

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        values = (*args, *kwargs.values())
        wanted = [one.device if isinstance(one, Tensor) else one for one in values]
        if any(isinstance(one, str | torch.device) and torch.device(one).type == "cpu" for one in wanted):
            return self.in_host.clone().to(*args, **kwargs)
        return super().to(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _run(func, args, kwargs or {})


class _Device(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Makes tensors that are asked for on the GPU, too."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _run(func, args, kwargs or {})


class _Stream:
    def synchronize(self) -> None:
        pass


def _without_pinning(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # torch makes these without asking its dispatcher.
    @wraps(function)
    def made(*args: Any, pin_memory: bool = False, device: Any = None, **kwargs: Any) -> Tensor:
        result = function(*args, **kwargs)
        return result if device is None else result.to(device)

    return made


def _run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    name = func._schema.name
    values = (*args, *kwargs.values())
    wanted = next((torch.device(one) for one in values if isinstance(one, torch.device)), None)
    leaves: list[Tensor] = []
    tree_map(lambda one: leaves.append(one) if isinstance(one, Tensor) else None, values)
    is_here = any(isinstance(one, _OnGpu) for one in leaves)
    if name in ("aten::_pin_memory", "aten::pin_memory"):
        return args[0]
    if not is_here and (wanted is None or wanted.type != "cuda"):
        return func(*args, **kwargs)
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), _MADE_OF_OTHERS.name):
        with _Device():  # type: ignore[no-untyped-call]
            return func._op_dk(_MADE_OF_OTHERS, *args, **kwargs)
    # Single numbers of the host go along with a launch.
    is_mixed = is_here and any(not isinstance(one, _OnGpu) and one.dim() > 0 for one in leaves)
    if is_mixed and name not in _MIXES:
        raise RuntimeError(f"{name} has tensors of the host and of the GPU")
    result = func(*tree_map(_in_host, args), **tree_map(_in_host, dict(kwargs)))
    written = _written(func, args, kwargs)
    if not written:
        return tree_map(lambda one: _OnGpu(one) if isinstance(one, Tensor) else one, result)
    for one in written:
        if isinstance(one, _OnGpu) and one.shape != one.in_host.shape:
            raise RuntimeError(f"{name} changes the shape of a tensor in its place")
    if not func._schema.returns:
        return None
    return written[0] if len(written) == 1 else tuple(written)


def _in_host(value: Any) -> Any:
    if isinstance(value, _OnGpu):
        return value.in_host
    return _CPU if isinstance(value, torch.device) else value


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return the tensors that an operator writes into: those it returns, too."""
    given = [
        args[place] if place < len(args) else kwargs.get(one.name)
        for place, one in enumerate(func._schema.arguments)
        if one.alias_info is not None and one.alias_info.is_write
    ]
    return [one for one in given if one is not None]
