"""Data beside a picture: round trip, bounds, and services of two versions."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import wire
from shared.errors import WireError
from shared.wire.data import MAX_DATA_BYTES, Box, Data, Label, Points, pack_data, unpack_data
from tests.shared.test_wire import FRAME, PLANES, RESULT, header_of, message_of

TOLD = {
    "detection": Data(boxes=(Box(0.25, 0.5, 0.125, 0.0625, "person", 0.75),), numbers={"people": 1.0}),
    "pose": Data(points=(Points(((0.5, 0.25, 1.0), (0.0, 0.75, 0.5)), "person", 0.5),)),
    "scene": Data(labels=(Label("kitchen", 0.5), Label("café"))),
}


def test_data_comes_out_as_it_went_in() -> None:
    assert unpack_data(pack_data(TOLD)) == TOLD
    assert unpack_data(pack_data({})) == {}


def test_every_truncation_is_refused() -> None:
    packed = pack_data(TOLD)
    for end in range(len(packed)):
        with pytest.raises(WireError):
            unpack_data(packed[:end])


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=3),
    lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=3), one, max_size=3),
).map(msgpack.packb))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_anything_else_is_refused_as_malformed(packed: bytes) -> None:
    with contextlib.suppress(WireError):
        told = unpack_data(packed)
        assert unpack_data(pack_data(told)).keys() == told.keys()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (Data(boxes=[Box(float("nan"), 0, 1, 1)]), "finite"),
        (Data(numbers={"a": float("inf")}), "finite"),
        (Data(numbers={"a": "1"}), "expected a number, not str"),  # type: ignore[dict-item]
        (Data(numbers={"a": True}), "expected a number, not bool"),
        (Data(labels=[Label("x" * 65)]), "at most 64"),
        (Data(labels=[Label(b"x")]), "expected a text"),  # type: ignore[arg-type]
        (Data(boxes=[Box(0, 0, 1, 1, "x" * 60)] * 200), f"at most {MAX_DATA_BYTES} travel"),
        ({"boxes": []}, "expected Data, not dict"),
    ],
)
def test_what_cannot_travel_is_named(data: Any, told: str) -> None:
    with pytest.raises((ValueError, TypeError), match=told):
        pack_data({"a": data})


def test_numbers_of_numpy_travel() -> None:
    told = unpack_data(pack_data({"a": Data(numbers={"n": np.float64(0.5)})}))
    assert told["a"].numbers == {"n": 0.5}


def test_a_result_brings_its_data_and_no_more_than_fits() -> None:
    packed = pack_data(TOLD)
    header, planes = wire.unpack_result(wire.pack_result(replace(RESULT, data=packed), PLANES))
    assert unpack_data(header.data) == TOLD
    assert planes == PLANES
    with pytest.raises(WireError, match="'data'"):
        wire.unpack_result(wire.pack_result(replace(RESULT, data=bytes(MAX_DATA_BYTES + 1)), PLANES))


def test_an_older_service_is_sent_no_field_that_it_does_not_know() -> None:
    assert "wants_data" not in header_of(wire.pack_frame(FRAME, PLANES))[0]
    assert "data" not in header_of(wire.pack_result(RESULT, PLANES))[0]
    assert header_of(wire.pack_frame(replace(FRAME, wants_data=True), PLANES))[0]["wants_data"] is True


def test_what_an_older_service_sends_is_taken() -> None:
    for message, unpack in (
        (wire.pack_frame(FRAME, PLANES), wire.unpack_frame),
        (wire.pack_result(RESULT, PLANES), wire.unpack_result),
    ):
        values, rest = header_of(message)
        header, _ = unpack(message_of(values, rest))
        assert header in (FRAME, RESULT)
