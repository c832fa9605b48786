"""Parameters against the JSON Schema that a worker's filter states for them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_KNOWN = 128
"""Schemas that are kept checked."""
_TOLERANCE = 1e-9
"""Of the quotient: many times the rounding of two binary fractions, and far below any step of a slider."""


def first_fault(params: dict[str, Any], schema: dict[str, Any]) -> ValidationError | None:
    """Return the first fault of `params`, or None where there is none or the schema itself is faulty.

    The worker checks the parameters as well, with the filter's own model, so a faulty schema lets them pass.
    """
    try:
        schema_json = json.dumps(schema)
    except (TypeError, ValueError, RecursionError):
        return None
    validator = _validator(schema_json)
    try:
        return None if validator is None else next(validator.iter_errors(params), None)
    except Unresolvable:
        return None


@lru_cache(maxsize=MAX_KNOWN)
def _validator(schema_json: str) -> Validator | None:
    """Return what checks by this schema, or None where it is faulty.

    Kept, since to check a schema takes 4 ms, a hundred times as long as to check parameters by it.
    """
    schema = json.loads(schema_json)
    try:
        _Tolerant.check_schema(schema)
    except SchemaError:
        return None
    # The registry is empty: a schema that refers to an address must not make this service fetch it.
    validator: Validator = _Tolerant(schema, registry=Registry())
    return validator


def _multiple_of(
    validator: Validator, step: float, value: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    """Judge `multipleOf` as decimal readers expect it: 0.6 is a multiple of 0.1.

    The library takes the remainder of two binary fractions, which leaves 0.6 / 0.1 at 5.999999999999999.
    """
    if not validator.is_type(value, "number"):
        return
    quotient = value / step
    if not math.isfinite(quotient) or abs(quotient - round(quotient)) > _TOLERANCE * max(1.0, abs(quotient)):
        yield ValidationError(f"{value!r} is not a multiple of {step!r}")


_Tolerant = extend(Draft202012Validator, {"multipleOf": _multiple_of})  # type: ignore[no-untyped-call]
