"""torch.compile where work is recorded, and nowhere else: compiling in the middle of a call stops it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from inference_service.filters.base import Fallback

logger = logging.getLogger(__name__)


class Compiled:
    """Modules with a compiled form, which their calls take within `used` alone. The loader's thread only."""

    def __init__(self, modules: Sequence[nn.Module], **options: Any) -> None:
        """`options` are torch.compile's. Nothing is compiled yet."""
        self._forms: list[tuple[Any, Any]] = []
        for module in modules:
            module.compile(**options)
            # Where torch keeps what `compile` has made; without it a call runs the module as it is.
            self._forms.append((module, module._compiled_call_impl))
            module._compiled_call_impl = None

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let calls take the compiled form; each new shape is compiled at its first call."""
        try:
            for module, form in self._forms:
                module._compiled_call_impl = form
            yield
        finally:
            for module, _ in self._forms:
                module._compiled_call_impl = None

    def tried(self, work: Callable[[], object]) -> list[Fallback]:
        """Do `work` compiled once; return what to say where that fails. Nothing is compiled from then on.

        So it fails where there is no C compiler, which Triton needs.
        """
        try:
            with self.used():
                work()
        except Exception as exc:
            logger.info("compiling has failed: %s: %s", type(exc).__name__, exc)
            self._forms.clear()
            return [
                Fallback("compile", f"runs uncompiled, since compiling has failed ({type(exc).__name__})")
            ]
        return []
