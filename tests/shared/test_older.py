"""Two versions work together: stored messages of earlier ones are read, and they can read this one's."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest

from shared.wire import (
    pack_frame,
    pack_result,
    pack_status,
    unpack_frame,
    unpack_result,
    unpack_status,
)
from tests.shared.older.make import FRAME, PLANES, RESULT, STATUS

FOLDERS = sorted(
    path for path in (Path(__file__).parent / "older").iterdir() if (path / "frame.bin").exists()
)

each_version = pytest.mark.parametrize("stored", FOLDERS, ids=lambda path: path.name)


def fields(message: bytes) -> dict[str, Any]:
    (length,) = struct.unpack(">I", message[:4])
    found: dict[str, Any] = msgpack.unpackb(message[4 : 4 + length])
    return found


def test_there_are_stored_messages() -> None:
    assert FOLDERS


@each_version
def test_messages_of_an_earlier_version_are_read(stored: Path) -> None:
    frame, planes = unpack_frame((stored / "frame.bin").read_bytes())
    assert (frame, bytes(planes)) == (FRAME, PLANES)
    result, planes = unpack_result((stored / "result.bin").read_bytes())
    assert (result, bytes(planes)) == (RESULT, PLANES)
    assert unpack_status((stored / "status.bin").read_bytes()) == STATUS


@each_version
def test_an_earlier_version_knows_every_field_that_is_sent_unasked(stored: Path) -> None:
    """Those versions refused others: what is newer is sent only to a side that has said that it knows."""
    assert fields(pack_frame(FRAME, PLANES)) == fields((stored / "frame.bin").read_bytes())
    assert fields(pack_result(RESULT, PLANES)) == fields((stored / "result.bin").read_bytes())
    now, then = fields(pack_status(STATUS)), fields((stored / "status.bin").read_bytes())
    (its,), (known,) = now.pop("filters"), then.pop("filters")
    assert now == then
    assert {name: its[name] for name in known} == known
