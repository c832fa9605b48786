"""torch.compile where work is recorded, and nowhere else: compiling in the middle of a call stops it.

The loop runs the same modules meanwhile, in its own thread, as they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from inference_service.filters.base import Fallback

logger = logging.getLogger(__name__)


class Compiled:
    """Modules with a compiled form, which their calls take within `used` and in its thread alone."""

    def __init__(self, modules: Sequence[nn.Module], **options: Any) -> None:
        """`options` are torch.compile's. Nothing is compiled yet."""
        self._user: int | None = None
        """The thread within `used`."""
        self.failures: list[Fallback] = []
        """What to say where compiling has failed, also for one shape of many."""
        for module in modules:
            form = torch.compile(module._call_impl, **options)
            # What torch calls instead of a module's own code, as its `compile` sets it.
            module._compiled_call_impl = partial(self._call, module._call_impl, form)  # type: ignore[assignment]

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let calls take the compiled form; each new shape is compiled at its first call."""
        self._user = threading.get_ident()
        try:
            yield
        finally:
            self._user = None

    def _call(self, plain: Callable[..., Any], form: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._user == threading.get_ident() and not self.failures:
            try:
                return form(*args, **kwargs)
            except Exception as exc:
                # Here, since importing it takes a second, and few compile.
                from torch._dynamo.exc import TorchDynamoException

                if not isinstance(exc, TorchDynamoException):
                    raise
                self._fail(exc)
        return plain(*args, **kwargs)

    def tried(self, work: Callable[[], object]) -> None:
        """Do `work` compiled once. Where that fails, nothing is compiled from then on: see `failures`.

        So it fails where there is no C compiler, which Triton needs.
        """
        try:
            with self.used():
                work()
        except Exception as exc:
            self._fail(exc)

    def _fail(self, exc: Exception) -> None:
        # The compiled forms are left in their places: the loop may be about to call them.
        logger.info("compiling has failed: %s: %s", type(exc).__name__, exc)
        text = f"runs uncompiled, since compiling has failed ({type(exc).__name__})"
        self.failures = [Fallback("compile", text)]
