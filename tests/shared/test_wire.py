from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import WireError
from shared.frame import ColourMatrix, ColourRange, i420_size_bytes
from shared.wire import (
    BOUNDS_S,
    MAX_HEADER_BYTES,
    MAX_NAMES,
    TRACE_BYTES,
    Durations,
    FilterState,
    FilterStatus,
    FrameHeader,
    LoopState,
    ResultHeader,
    ResultKind,
    StatusHeader,
    Totals,
    pack_frame,
    pack_result,
    pack_status,
    params_id,
    unpack_frame,
    unpack_result,
    unpack_status,
)

SESSION = bytes(range(16))
WIDTH, HEIGHT = 32, 16
PLANES = bytes(i % 251 for i in range(i420_size_bytes(WIDTH, HEIGHT)))
FRAME = FrameHeader(
    session=SESSION,
    reply_to="tcp://127.0.0.1:5556",
    sequence=7,
    generation=2,
    pts=-3000,
    captured_ns=123456789,
    width=WIDTH,
    height=HEIGHT,
    filters=("background", "ink"),
    params_id=params_id({"ink": {"strength": 0.5}}),
    params={"ink": {"strength": 0.5}},
    colour_range=ColourRange.FULL,
    colour_matrix=ColourMatrix.BT709,
)
RESULT = ResultHeader(
    kind=ResultKind.FRAME,
    session=SESSION,
    sequence=7,
    generation=2,
    pts=-3000,
    captured_ns=123456789,
    worker="w1",
    width=WIDTH,
    height=HEIGHT,
    wait_ms=1.5,
    batch_ms=30.0,
    filter_ms=28.5,
)
STATUS = StatusHeader(
    worker="w1",
    frames_endpoint="ipc:///run/p2pcamera/w1.ipc",
    device="cuda:0",
    filters=(
        FilterStatus(
            name="ink",
            title="Ink",
            state=FilterState.LOADED,
            keeps_state=False,
            schema={"type": "object"},
            description="lines",
            is_private=True,
            memory_bytes=1 << 40,
        ),
    ),
    busy=0.5,
    batch_size=2.5,
    loop_state=LoopState.BATCH,
    loop_state_ms=12.0,
    loop_usual_ms=30.0,
    draining=False,
    versions={"p2pcamera": "0.1.0"},
    totals=Totals(
        received=10,
        filtered=7,
        dropped={"late": 2, "replaced": 1},
        batches=3,
        batches_split=0,
        errors={"filter_failed": 1},
        fallbacks={},
        results_discarded=0,
        stages={"filter": Durations(counts=(0,) * len(BOUNDS_S) + (7,), sum_s=9.5)},
    ),
)
LATER = {"field", "totals"}
Unpack = Callable[[bytes], Any]
MESSAGES: list[tuple[bytes, Unpack]] = [
    (pack_frame(FRAME, PLANES), unpack_frame),
    (pack_result(RESULT, PLANES), unpack_result),
    (pack_status(STATUS), unpack_status),
]
each_message = pytest.mark.parametrize(("message", "unpack"), MESSAGES, ids=["frame", "result", "status"])


def header_of(message: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack(">I", message[:4])
    return msgpack.unpackb(message[4 : 4 + length]), message[4 + length :]


def message_of(header: Any, rest: bytes) -> bytes:
    packed: bytes = msgpack.packb(header)
    return struct.pack(">I", len(packed)) + packed + rest


def test_a_frame_comes_out_as_it_went_in() -> None:
    header, planes = unpack_frame(pack_frame(FRAME, PLANES))
    assert header == FRAME
    assert planes == PLANES


def test_a_frame_may_name_its_trace_and_one_that_is_not_traced_has_no_such_field() -> None:
    context = bytes(range(TRACE_BYTES))
    assert unpack_frame(pack_frame(replace(FRAME, trace=context), PLANES))[0].trace == context
    assert "trace" not in header_of(pack_frame(FRAME, PLANES))[0]
    wrongs: list[Any] = [
        context[1:],
        context * 2,
        bytes(24),
        bytes(16) + context[:8],
        context[:16] + bytes(8),
    ]
    for wrong in (*wrongs, "x"):
        with pytest.raises(WireError, match="trace"):
            unpack_frame(pack_frame(replace(FRAME, trace=wrong), PLANES))


def test_a_result_comes_out_as_it_went_in() -> None:
    header, planes = unpack_result(pack_result(RESULT, PLANES))
    assert header == RESULT
    assert planes == PLANES


def test_a_status_comes_out_as_it_went_in() -> None:
    assert unpack_status(pack_status(STATUS)) == STATUS


@pytest.mark.parametrize("kind", [ResultKind.ERROR, ResultKind.PROGRESS, ResultKind.MISSING])
def test_only_a_frame_brings_planes_back(kind: ResultKind) -> None:
    header, planes = unpack_result(pack_result(replace(RESULT, kind=kind, text="x", fraction=0.5)))
    assert header.kind is kind
    assert not planes
    with pytest.raises(WireError, match="behind a result"):
        unpack_result(pack_result(replace(RESULT, kind=kind), PLANES))


def test_unpacking_does_not_copy_the_planes() -> None:
    message = bytearray(pack_frame(FRAME, PLANES))
    _, planes = unpack_frame(message)
    message[-1] ^= 0xFF
    assert planes[-1] == message[-1]


@each_message
def test_every_truncation_is_refused(message: bytes, unpack: Unpack) -> None:
    for length in [*range(len(message) - len(PLANES) + 4), len(message) - 1]:
        if length < len(message):
            with pytest.raises(WireError):
                unpack(message[:length])


@each_message
def test_bytes_too_many_are_refused(message: bytes, unpack: Unpack) -> None:
    with pytest.raises(WireError, match="size"):
        unpack(message + b"x")


@each_message
@pytest.mark.parametrize("version", [0, 2, None, "1", True])
def test_another_version_is_refused(message: bytes, unpack: Unpack, version: Any) -> None:
    header, rest = header_of(message)
    with pytest.raises(WireError) as caught:
        unpack(message_of({**header, "v": version}, rest))
    # True == 1 in Python; a boolean is no version all the same.
    assert caught.value.reason == "version"


@each_message
def test_each_missing_field_is_refused(message: bytes, unpack: Unpack) -> None:
    header, rest = header_of(message)
    for name in header.keys() - LATER:
        with pytest.raises(WireError):
            unpack(message_of({k: v for k, v in header.items() if k != name}, rest))


def test_fields_that_came_later_have_their_defaults_where_an_older_worker_lacks_them() -> None:
    header, planes = header_of(pack_result(replace(RESULT, field="strength"), PLANES))
    del header["field"]
    assert unpack_result(message_of(header, planes))[0] == RESULT
    status, _ = header_of(pack_status(STATUS))
    for name in ("is_private", "memory_bytes"):
        del status["filters"][0][name]
    del status["totals"]
    older = unpack_status(message_of(status, b""))
    assert older.totals is None
    assert unpack_status(pack_status(older)) == older
    (ink,) = older.filters
    assert (ink.is_private, ink.memory_bytes) == (False, 0)


@each_message
@pytest.mark.parametrize("wrong", [None, -1.5, [1], {1: 2}, b"\xff" * 300, "x" * 5000, True])
def test_each_field_of_a_wrong_type_is_refused(message: bytes, unpack: Unpack, wrong: Any) -> None:
    header, rest = header_of(message)
    for name, value in header.items():
        if type(wrong) is type(value) and wrong is True:
            continue
        if name == "params" and wrong is None:
            continue  # Parameters that the worker has already.
        if name == "description" and type(wrong) is str:
            continue
        with pytest.raises(WireError):
            unpack(message_of({**header, name: wrong}, rest))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("received", -1),
        ("dropped", {f"reason {number}": 1 for number in range(MAX_NAMES + 1)}),
        ("errors", {"": 1}),
        ("errors", {"late": 1.5}),
        ("stages", {"filter": {"counts": [1], "sum_s": 1.0}}),
        ("stages", {"filter": {"counts": [0] * (len(BOUNDS_S) + 1), "sum_s": float("nan")}}),
        ("stages", {"filter": [1]}),
    ],
)
def test_totals_that_cannot_be_are_refused(name: str, wrong: Any) -> None:
    status, _ = header_of(pack_status(STATUS))
    status["totals"][name] = wrong
    with pytest.raises(WireError):
        unpack_status(message_of(status, b""))


@each_message
def test_a_field_of_a_newer_version_is_left_out(message: bytes, unpack: Unpack) -> None:
    header, rest = header_of(message)
    assert unpack(message_of({**header, "more": [1]}, rest)) == unpack(message)


def test_a_newer_worker_may_say_more_of_its_filters_and_totals() -> None:
    status, _ = header_of(pack_status(STATUS))
    status["filters"][0]["more"] = status["totals"]["more"] = status["totals"]["stages"]["filter"]["more"] = 1
    assert unpack_status(message_of(status, b"")) == STATUS


@each_message
@pytest.mark.parametrize("header", [[], 1, b"", {1: 2}, "text"])
def test_a_header_that_is_no_map_is_refused(message: bytes, unpack: Unpack, header: Any) -> None:
    with pytest.raises(WireError):
        unpack(message_of(header, b""))


@pytest.mark.parametrize("size", [(0, 16), (33, 16), (32, 15), (4098, 16), (14, 16), (65536, 16)])
def test_a_size_that_cannot_be_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(WireError):
        unpack_frame(pack_frame(replace(FRAME, width=size[0], height=size[1]), PLANES))


def test_planes_of_another_size_are_refused() -> None:
    with pytest.raises(WireError, match="planes"):
        unpack_frame(pack_frame(replace(FRAME, width=WIDTH + 2), PLANES))


def test_a_long_header_is_for_parameters_alone() -> None:
    large = {"picture": "x" * MAX_HEADER_BYTES}
    header, _ = unpack_frame(pack_frame(replace(FRAME, params=large), PLANES))
    assert header.params == large
    with pytest.raises(WireError, match="oversized"):
        unpack_frame(pack_frame(replace(FRAME, params={"picture": "x" * 1024 * 1024}), PLANES))
    with pytest.raises(WireError, match="oversized"):
        unpack_result(pack_result(replace(RESULT, text="x" * MAX_HEADER_BYTES), PLANES))


def test_a_header_without_parameters_must_be_short() -> None:
    header, _ = header_of(pack_frame(replace(FRAME, params=None), PLANES))
    # msgpack allows a map to name a key twice, which makes it long without making it wrong.
    pairs = b"".join(msgpack.packb(key) + msgpack.packb(value) for key, value in header.items())
    padding = (msgpack.packb("reply_to") + msgpack.packb("t" * 250)) * 70
    count = struct.pack(">BH", 0xDE, len(header) + 70)
    packed = count + padding + pairs
    with pytest.raises(WireError, match="without parameters"):
        unpack_frame(struct.pack(">I", len(packed)) + packed + PLANES)


def test_a_length_field_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(WireError, match="oversized"):
        unpack_frame(struct.pack(">I", 2**32 - 1) + b"x" * 100)


def test_deep_nesting_is_refused() -> None:
    nested = b"\x91" * 5000 + b"\xc0"
    with pytest.raises(WireError):
        unpack_frame(struct.pack(">I", len(nested)) + nested)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_raise_nothing_but_a_wire_error(data: bytes) -> None:
    for unpack in (unpack_frame, unpack_result, unpack_status):
        for message in (data, struct.pack(">I", len(data)) + data):
            with pytest.raises(WireError):
                unpack(message)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_one_changed_byte_raises_nothing_but_a_wire_error(data: st.DataObject) -> None:
    message, unpack = data.draw(st.sampled_from(MESSAGES))
    changed = bytearray(message)
    changed[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        unpack(bytes(changed))


def test_the_hash_of_parameters_minds_values_and_not_their_order() -> None:
    assert params_id({"a": 1, "b": 2}) == params_id({"b": 2, "a": 1})
    assert params_id({"a": 1}) != params_id({"a": 2})
    assert len(params_id({})) == 16
