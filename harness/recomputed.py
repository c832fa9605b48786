"""In place of a GPU's recordings: what is replayed is computed again, into the same places.

As in a memory pool that recordings share, a replay writes over the results of those that were recorded after
it: they may lie where its own steps computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from torch import Tensor


class Recomputed:
    """Like a recording to whoever uses it: fixed inputs, results in fixed places."""

    is_counted: ClassVar[bool] = False
    """What a graph launches is not launched by the host."""

    def __init__(
        self, function: Callable[..., Any], inputs: tuple[Tensor, ...], pool: list[Recomputed]
    ) -> None:
        """`pool` are the recordings before it, to which it is added."""
        self.function, self.inputs = function, inputs
        with _nothing_from_the_host():
            self.result = function(*inputs)
        self.replays = 0
        self._is_spoiled = False
        self._place, self._pool = len(pool), pool
        pool.append(self)

    def replay(self) -> Any:
        self.replays += 1
        if not self.is_counted:
            new = self.function(*self.inputs)
            for later in self._pool[self._place + 1 :]:
                later.spoil()
            for static, one in zip(self.result, new, strict=True):
                static.copy_(one)
            self._is_spoiled = False
        return self.result

    def spoil(self) -> None:
        """Put into the results what is no answer."""
        if not self._is_spoiled:
            for one in self.result:
                one.fill_(torch.nan if one.is_floating_point() else 1)
            self._is_spoiled = True


@contextmanager
def _nothing_from_the_host() -> Iterator[None]:
    """Refuse what a capture refuses: numbers that are copied up would be those of its own time for ever."""

    def refuse(*of: Any, **with_: Any) -> Any:
        raise RuntimeError("a recording takes numbers from the host")

    with ExitStack() as stack:
        for place, name in ((torch, "tensor"), (torch, "from_numpy"), (Tensor, "new_tensor")):
            stack.enter_context(patch.object(place, name, refuse))
        yield


class Roomy:
    """Records whatever it is given."""

    def __init__(self, device: torch.device) -> None:
        self.counts: list[int] = []
        self._pool: list[Recomputed] = []

    def record(self, function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Any:
        self.counts.append(len(inputs[0]))
        return Recomputed(function, inputs, self._pool)


class Recorder(Roomy):
    """Has no room for three rows."""

    def record(self, function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Any:
        if len(inputs[0]) == 3:
            self.counts.append(3)
            raise torch.cuda.OutOfMemoryError
        return super().record(function, inputs)
