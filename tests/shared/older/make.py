"""Writes the messages of a version that it is run with, for tests of later ones; see README.md beside it.

PYTHONPATH=CHECKOUT-OF-THAT-VERSION python tests/shared/older/make.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from shared.wire import (
    FilterState,
    FilterStatus,
    FrameHeader,
    LoopState,
    ResultHeader,
    ResultKind,
    StatusHeader,
    pack_frame,
    pack_result,
    pack_status,
)

PLANES = bytes(range(192)) * 2
"""Of 16x16 pixels."""
FRAME = FrameHeader(
    session=bytes(range(16)),
    reply_to="ipc:///run/p2pcamera/results-0.ipc",
    sequence=7,
    generation=2,
    pts=90_000,
    captured_ns=1_000_000_000,
    width=16,
    height=16,
    filters=("invert", "ink"),
    params_id=bytes(16),
    params={"ink": {"strength": 0.5}},
)
RESULT = ResultHeader(
    kind=ResultKind.FRAME,
    session=bytes(range(16)),
    sequence=7,
    generation=2,
    pts=90_000,
    captured_ns=1_000_000_000,
    worker="w1",
    width=16,
    height=16,
    wait_ms=1.5,
    batch_ms=20.0,
    filter_ms=12.0,
)
STATUS = StatusHeader(
    worker="w1",
    frames_endpoint="ipc:///run/p2pcamera/frames-1.ipc",
    device="cuda:0",
    filters=(
        FilterStatus(
            name="ink",
            title="Ink",
            state=FilterState.LOADED,
            keeps_state=False,
            schema={"type": "object", "properties": {"strength": {"type": "number"}}},
            description="A drawing",
            is_private=True,
            memory_bytes=1024,
        ),
    ),
    busy=0.5,
    batch_size=2.0,
    loop_state=LoopState.BATCH,
    loop_state_ms=12.0,
    loop_usual_ms=20.0,
    draining=False,
    versions={"p2pcamera": "0.1.0"},
)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frame.bin").write_bytes(pack_frame(FRAME, PLANES))
    (folder / "result.bin").write_bytes(pack_result(RESULT, PLANES))
    (folder / "status.bin").write_bytes(pack_status(STATUS))


if __name__ == "__main__":
    main()
