"""What a session has chosen, as each of its frames names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.wire import INLINE_PARAMS_BYTES, params_id, params_size_bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """A chain of filters and their parameters; `generation` rises with each change."""

    filters: tuple[str, ...]
    params: dict[str, Any]
    generation: int
    params_id: bytes
    is_inline: bool
    """The parameters are small enough to travel in every frame's header."""

    @classmethod
    def of(cls, filters: Sequence[str], params: dict[str, Any], generation: int) -> Choice:
        """Hash the parameters once, not with every frame."""
        is_inline = params_size_bytes(params) <= INLINE_PARAMS_BYTES
        return cls(tuple(filters), params, generation, params_id(params), is_inline)
