"""Small typed data beside a picture, as it travels in a result's header.

    data: bin, at most MAX_DATA_BYTES, a msgpack map

        filter -> [boxes, points, labels, numbers]

        boxes    [[x, y, width, height, label, score], ...]
        points   [[label, score, [x, y, score, x, y, score, ...]], ...]
        labels   [[label, score], ...]
        numbers  {name: number}

Places and sizes are shares of the picture's width and height, from its left upper corner. Scores are in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from shared.errors import WireError

MAX_DATA_BYTES = 8 * 1024
MAX_LABEL = 64
MAX_FILTERS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its left upper corner and its size, as shares of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float
    label: str = ""
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Points:
    """Points that belong together, as those of a body: (x, y, score) of each, as shares of the picture."""

    points: Sequence[tuple[float, float, float]]
    label: str = ""
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Label:
    """What the whole picture shows."""

    label: str
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Data:
    """What one filter tells of one picture."""

    boxes: Sequence[Box] = ()
    points: Sequence[Points] = ()
    labels: Sequence[Label] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


def pack_data(told: Mapping[str, Data]) -> bytes:
    """Return the data of one picture by the filters' names.

    Raises ValueError or TypeError, which say what cannot travel: too much, no number, too long a label.
    """
    packed: bytes = msgpack.packb(
        {name: _as_list(data) for name, data in told.items()}, use_single_float=True
    )
    if len(packed) > MAX_DATA_BYTES:
        raise ValueError(f"{len(packed)} bytes, at most {MAX_DATA_BYTES} travel with a picture")
    return packed


def unpack_data(packed: bytes) -> dict[str, Data]:
    """Return the data by the filters' names; raises WireError."""
    if len(packed) > MAX_DATA_BYTES:
        raise WireError("oversized", f"data of {len(packed)} bytes")
    try:
        values = msgpack.unpackb(packed)
        if type(values) is not dict or len(values) > MAX_FILTERS:
            raise ValueError(f"expected a map of at most {MAX_FILTERS} filters")
        return {_text(name): _from_list(one) for name, one in values.items()}
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as exc:
        raise WireError("malformed", f"data: {exc}") from exc


def _as_list(data: Data) -> list[Any]:
    if not isinstance(data, Data):
        raise TypeError(f"expected Data, not {type(data).__name__}")
    return [
        [
            [*map(_number, (box.x, box.y, box.width, box.height)), _text(box.label), _number(box.score)]
            for box in data.boxes
        ],
        [
            [
                _text(one.label),
                _number(one.score),
                [_number(value) for point in one.points for value in point],
            ]
            for one in data.points
        ],
        [[_text(one.label), _number(one.score)] for one in data.labels],
        {_text(name): _number(value) for name, value in data.numbers.items()},
    ]


def _from_list(values: Any) -> Data:
    boxes, points, labels, numbers = _list(values, 4)
    return Data(
        tuple(_box(*_list(one, 6)) for one in _list(boxes)),
        tuple(_points(*_list(one, 3)) for one in _list(points)),
        tuple(
            Label(_text(label), _number(score)) for label, score in (_list(one, 2) for one in _list(labels))
        ),
        {_text(name): _number(value) for name, value in _map(numbers).items()},
    )


def _box(x: Any, y: Any, width: Any, height: Any, label: Any, score: Any) -> Box:
    return Box(_number(x), _number(y), _number(width), _number(height), _text(label), _number(score))


def _points(label: Any, score: Any, flat: Any) -> Points:
    values = [_number(value) for value in _list(flat)]
    if len(values) % 3:
        raise ValueError("expected x, y and score of each point")
    triples = tuple(zip(values[::3], values[1::3], values[2::3], strict=True))
    return Points(triples, _text(label), _number(score))


def _number(value: Any) -> float:
    # The first two are a filter's; numpy's own floats are made from float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, not {type(value).__name__}")
    if not math.isfinite(value) or abs(value) > 1e30:
        raise ValueError(f"expected a finite number, not {value}")
    return float(value)


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > MAX_LABEL:
        raise ValueError(f"expected a text of at most {MAX_LABEL} characters")
    return value


def _list(value: Any, count: int | None = None) -> list[Any]:
    if type(value) is not list or count not in (None, len(value)):
        raise ValueError("expected a list" if count is None else f"expected {count} values")
    return value


def _map(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise ValueError("expected a map")
    return value
