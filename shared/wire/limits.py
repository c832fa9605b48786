"""Version and sizes that both ends agree on."""

from __future__ import annotations

from shared.frame import MAX_PLANES_BYTES

PROTOCOL_VERSION = 1
DATA_VERSION = "data"
"""Among the versions of a worker's status: it knows `FrameHeader.wants_data`."""
TRACES_VERSION = "traces"
"""Among the versions of a worker's status: it makes spans of frames that have `FrameHeader.trace`."""
TRACE_BYTES = 24
SESSION_BYTES = 16
PARAMS_ID_BYTES = 16

MAX_HEADER_BYTES = 16 * 1024
MAX_HEADER_WITH_PARAMS_BYTES = 1024 * 1024
INLINE_PARAMS_BYTES = 4 * 1024
MAX_STATUS_BYTES = 1024 * 1024
MAX_MESSAGE_BYTES = 4 + MAX_HEADER_WITH_PARAMS_BYTES + MAX_PLANES_BYTES
MAX_CHAIN = 8
MAX_TEXT = 2048
U63 = 2**63 - 1
