"""JSON as RFC 8259 has it, which has no NaN and no Infinity."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def read_json(text: str | bytes) -> Any:
    """Return what the text says; raises ValueError, also for `NaN` and `Infinity`, or RecursionError.

    A number beyond the largest float is read as an infinite one.
    """
    return json.loads(text, parse_constant=_refuse)


def endless(value: Any, path: tuple[str, ...] = ()) -> str | None:
    """Return the path to a number in `value` that is not finite, as `a.0.b`; None where there is none."""
    if isinstance(value, float):
        return None if math.isfinite(value) else ".".join(path)
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    found = (endless(one, (*path, str(name))) for name, one in inner)
    return next((one for one in found if one is not None), None)


def without_endless(value: Any) -> Any:
    """Return a copy without numbers that JSON lacks: members of objects are left out, of lists null."""
    if isinstance(value, dict):
        return {name: without_endless(one) for name, one in value.items() if not _is_endless(one)}
    if isinstance(value, list):
        return [None if _is_endless(one) else without_endless(one) for one in value]
    return value


def _is_endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
