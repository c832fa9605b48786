"""What a piece of work asks of the device: how many operators it starts, how often the host must wait.

It can be counted on a CPU: an operator there is a launch, or a few, on a GPU, and one whose result the host
must know is a wait. For benchmarks and tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WAITS = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
    "aten::_unique2",
    "aten::unique_dim",
    "torchvision::nms",
}
_MADE_OF_OTHERS = torch._C.DispatchKey.CompositeImplicitAutograd
_NO_LAUNCH = {
    "aten::empty",
    "aten::empty_strided",
    "aten::new_empty",
    "aten::empty_like",
    "aten::_local_scalar_dense",
}


@dataclass(slots=True)
class Work:
    """Counts by operator."""

    operators: Counter[str] = field(default_factory=Counter)
    """Those that start something on a device; views and allocations are free."""
    waits: Counter[str] = field(default_factory=Counter)
    """Those whose result the host needs before it can go on."""
    moved_bytes: int = 0
    """Of all tensors that the operators read and write."""


def count(work: Callable[[], object]) -> Work:
    """Run `work` and return what it asked for."""
    counted = Work()
    with _Moves(counted), _Operators(counted):
        work()
    return counted


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, counted: Work) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counted = counted

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), _MADE_OF_OTHERS.name):
            # Counted by what it is made of, whether or not gradients would be recorded.
            with self:
                return func._op_dk(_MADE_OF_OTHERS, *args, **(kwargs or {}))
        name = func._schema.name
        if name in _WAITS or _selects_by_mask(name, args):
            self._counted.waits[name] += 1
        result = func(*args, **(kwargs or {}))
        if name not in _NO_LAUNCH and not _is_view(func):
            self._counted.operators[name] += 1
            self._counted.moved_bytes += _size_bytes((args, kwargs or {}, result))
        return result


class _Moves(TorchFunctionMode):
    """On a CPU `cpu` does nothing, and no operator shows it; on a GPU it waits for all that was started."""

    def __init__(self, counted: Work) -> None:
        super().__init__()
        self._counted = counted

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in (Tensor.cpu, Tensor.tolist):
            self._counted.waits[func.__name__] += 1
        return func(*args, **(kwargs or {}))


def _size_bytes(values: Any) -> int:
    return sum(one.numel() * one.element_size() for one in tree_leaves(values) if isinstance(one, Tensor))


def _is_view(func: Any) -> bool:
    return any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns)


def _selects_by_mask(name: str, args: Sequence[Any]) -> bool:
    # Indexing by a mask asks how many there are; assigning one number by a mask does not.
    if name == "aten::repeat_interleave" and isinstance(args[0], Tensor) and len(args) == 1:
        return True
    return name == "aten::index" and any(
        isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in args[1]
    )
