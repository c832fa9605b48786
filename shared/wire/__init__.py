"""Frame, result and status messages: packed and checked in this folder, and nowhere else.

Frame, PUSH -> PULL, one part (a conflating socket carries no second one):

    +----------------+----------------+-----------+-----------+-----------+
    | u32 big-endian | msgpack map    | Y plane   | U plane   | V plane   |
    | header length  | (FrameHeader)  | W * H     | W * H / 4 | W * H / 4 |
    +----------------+----------------+-----------+-----------+-----------+

Result, PUB -> SUB, two parts; the topic is the session id, always 16 bytes, since SUB matches by prefix:

    part 1: +----------+    part 2: +----------------+----------------+--------------------------+
            | 16 bytes |            | u32 big-endian | msgpack map    | Y, U, V of kind `frame`, |
            +----------+            | header length  | (ResultHeader) | else nothing             |
                                    +----------------+----------------+--------------------------+

Status, PUB -> SUB, the same with the topic `STATUS_TOPIC` and a StatusHeader, nothing behind it.

Every map carries `v`, the protocol version. Text is UTF-8. Times are nanoseconds of the sender's monotonic
clock, so they mean something to their sender alone, or durations in milliseconds.

Two versions work together while `v` is the same. A field that was added since version 1 began may be missing,
and then has its default (`_LATER`). A field that the reader does not know is left out. So a new field must be
optional, and nothing may depend on the other side's taking it. `wants_data` and `trace` of a frame and `data`
of a result are left out where they are not set. Frames ask only workers that name DATA_VERSION in their
status, and only results of such frames have data. `trace` goes only to workers that name TRACES_VERSION.
(docs/deployment.md, "Upgrade", names the builds that were stricter.)

Parameters are JSON values. `params_id` is their hash; parameters of more than `INLINE_PARAMS_BYTES` travel
only when the worker has answered `missing`, and the worker keeps them by `params_id`.
"""

from __future__ import annotations

from shared.wire.frame import (
    FrameHeader,
    frame_message,
    pack_frame,
    unpack_frame,
)
from shared.wire.limits import (
    DATA_VERSION,
    INLINE_PARAMS_BYTES,
    MAX_CHAIN,
    MAX_HEADER_BYTES,
    MAX_HEADER_WITH_PARAMS_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_STATUS_BYTES,
    MAX_TEXT,
    PARAMS_ID_BYTES,
    PROTOCOL_VERSION,
    SESSION_BYTES,
    TRACE_BYTES,
    TRACES_VERSION,
)
from shared.wire.message import Buffer
from shared.wire.parameters import (
    params_id,
    params_size_bytes,
)
from shared.wire.result import (
    ResultHeader,
    ResultKind,
    pack_result,
    unpack_result,
)
from shared.wire.status import (
    STATUS_TOPIC,
    FilterState,
    FilterStatus,
    LoopState,
    StatusHeader,
    pack_status,
    unpack_status,
)
from shared.wire.totals import BOUNDS_S, MAX_NAMES, Durations, Totals

__all__ = [
    "BOUNDS_S",
    "DATA_VERSION",
    "INLINE_PARAMS_BYTES",
    "MAX_CHAIN",
    "MAX_HEADER_BYTES",
    "MAX_HEADER_WITH_PARAMS_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_NAMES",
    "MAX_STATUS_BYTES",
    "MAX_TEXT",
    "PARAMS_ID_BYTES",
    "PROTOCOL_VERSION",
    "SESSION_BYTES",
    "STATUS_TOPIC",
    "TRACES_VERSION",
    "TRACE_BYTES",
    "Buffer",
    "Durations",
    "FilterState",
    "FilterStatus",
    "FrameHeader",
    "LoopState",
    "ResultHeader",
    "ResultKind",
    "StatusHeader",
    "Totals",
    "frame_message",
    "pack_frame",
    "pack_result",
    "pack_status",
    "params_id",
    "params_size_bytes",
    "unpack_frame",
    "unpack_result",
    "unpack_status",
]
