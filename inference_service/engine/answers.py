"""What goes back for a frame: its header's own fields, and a picture or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from inference_service.errors import SessionError
from shared import wire
from shared.wire import MAX_TEXT, Buffer, FrameHeader, ResultHeader, ResultKind


@dataclass(frozen=True, slots=True)
class Result:
    """The two parts of a result message."""

    topic: bytes
    message: bytes


def picture(
    frame: FrameHeader,
    worker: str,
    planes: Buffer,
    *,
    data: bytes = b"",
    wait_ms: float,
    batch_ms: float,
    filter_ms: float,
) -> Result:
    """Return the filtered frame; `planes` (packed I420 of the frame's size) are copied.

    `data` as `pack_data` makes it.
    """
    header = ResultHeader(
        kind=ResultKind.FRAME,
        session=frame.session,
        sequence=frame.sequence,
        generation=frame.generation,
        pts=frame.pts,
        captured_ns=frame.captured_ns,
        worker=worker,
        width=frame.width,
        height=frame.height,
        colour_range=frame.colour_range,
        colour_matrix=frame.colour_matrix,
        wait_ms=wait_ms,
        batch_ms=batch_ms,
        filter_ms=filter_ms,
        data=data,
    )
    return Result(frame.session, wire.pack_result(header, planes))


def error(frame: FrameHeader, worker: str, reason: SessionError) -> Result:
    """Return why this frame cannot be filtered, for its user."""
    return _without_picture(
        frame, worker, ResultKind.ERROR, code=reason.code, text=str(reason), field=reason.field
    )


def progress(frame: FrameHeader, worker: str, text: str, fraction: float) -> Result:
    """Return how far the loading of the frame's filter is; `fraction` in 0..1."""
    return _without_picture(frame, worker, ResultKind.PROGRESS, text=text, fraction=fraction)


def missing(frame: FrameHeader, worker: str) -> Result:
    """Ask for the parameters that the frame only named."""
    return _without_picture(frame, worker, ResultKind.MISSING)


def _without_picture(
    frame: FrameHeader,
    worker: str,
    kind: ResultKind,
    *,
    code: str = "",
    text: str = "",
    fraction: float = 0.0,
    field: str = "",
) -> Result:
    header = ResultHeader(
        kind=kind,
        session=frame.session,
        sequence=frame.sequence,
        generation=frame.generation,
        pts=frame.pts,
        captured_ns=frame.captured_ns,
        worker=worker,
        code=code,
        # Half a surrogate pair, as file names that are no UTF-8 have, cannot be packed.
        text=text[:MAX_TEXT].encode("utf-8", "replace").decode(),
        fraction=fraction,
        field=field[:256].encode("utf-8", "replace").decode(),
    )
    return Result(frame.session, wire.pack_result(header))
