"""Checks of single fields, and how a header is read from a map by them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from shared.errors import WireError
from shared.frame import ColourMatrix, ColourRange
from shared.wire.limits import SESSION_BYTES, U63

T = TypeVar("T")
Check = Callable[[Any], Any]
"""Returns the value as the field's type, or raises ValueError, KeyError or TypeError."""


def read(
    cls: type[T], values: Mapping[Any, Any], checks: Mapping[str, Check], later: Collection[str] = ()
) -> T:
    """Return the header; raises WireError by the field's name. Fields of `later` may be missing.

    Fields without a check are left out: a newer version has sent them.
    """
    checked: dict[str, Any] = {}
    for name, check in checks.items():
        if name in later and name not in values:
            continue
        try:
            checked[name] = check(values[name])
        except KeyError as exc:
            raise WireError("malformed", f"field {name!r} is missing") from exc
        except (ValueError, TypeError) as exc:
            raise WireError("malformed", f"field {name!r}: {exc}") from exc
    return cls(**checked)


def integer(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"expected an integer in {low}..{high}")
        return value

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"expected a number in {low:g}..{high:g}")
        return float(value)

    return check


def text(max_length: int, min_length: int = 0) -> Check:
    def check(value: Any) -> str:
        if type(value) is not str or not min_length <= len(value) <= max_length:
            raise ValueError(f"expected text of {min_length}..{max_length} characters")
        return value

    return check


def octets(length: int) -> Check:
    def check(value: Any) -> bytes:
        if type(value) is not bytes or len(value) != length:
            raise ValueError(f"expected {length} bytes")
        return value

    return check


def one_of(kind: type[StrEnum]) -> Check:
    def check(value: Any) -> StrEnum:
        if type(value) is not str:
            raise ValueError("expected text")
        return kind(value)

    return check


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("expected a boolean")
    return value


def json_object(value: Any) -> dict[str, Any]:
    if type(value) is not dict or not all(type(name) is str for name in value):
        raise ValueError("expected a map with text keys")
    return value


SIDE = integer(0, 65535)
MILLISECONDS = number(0, 1e12)
ECHOED: dict[str, Check] = {
    "session": octets(SESSION_BYTES),
    "sequence": integer(0, U63),
    "generation": integer(0, U63),
    "pts": integer(-U63, U63),
    "captured_ns": integer(0, U63),
    "width": SIDE,
    "height": SIDE,
    "colour_range": one_of(ColourRange),
    "colour_matrix": one_of(ColourMatrix),
}
"""The fields that a result has from its frame."""
