"""Pictures as filters take them: upright, whole, of 8 bits, in the colours of a camera."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import av
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from inference_service.film.remarks import NO_TRANSPARENCY, Remarks

I420 = ("yuv420p", "yuvj420p")
HIGH_DYNAMIC_RANGE = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
"""PQ and HLG of ITU-R BT.2100."""
UNSPECIFIED = 2
"""Of ITU-T H.273, table 4: the film names no matrix."""
CAMERA_MATRICES = (Colorspace.ITU709, Colorspace.ITU601, 6, UNSPECIFIED)
"""Those whose pictures go through as they are; 6 is SMPTE 170M, the same as ITU-R BT.601's."""
HD_HEIGHT = 720
"""From this height on players take BT.709 for pictures that name no matrix."""
ONE = 65536
"""1.0 in a display matrix, 16.16 fixed point (ISO/IEC 14496-12, 8.2.2)."""


class Upright:
    """Makes each picture upright, progressive, I420, and of standard dynamic range."""

    def __init__(self, remarks: Remarks) -> None:
        self._remarks = remarks
        self._key: Any = None
        self._graph: Graph | None = None

    def feed(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Take a decoded picture, None after the last; yield those that are ready, with their times."""
        if frame is None:
            yield from self._flushed()
            return
        steps = self._steps(frame)
        key = (steps, frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if key != self._key:
            yield from self._flushed()
            self._graph, self._key = (_graph(frame, steps) if steps else None), key
        if self._graph is None:
            yield frame
            return
        self._graph.vpush(frame)
        yield from _pulled(self._graph)

    def _flushed(self) -> Iterator[av.VideoFrame]:
        graph, self._graph, self._key = self._graph, None, None
        if graph is not None:
            graph.vpush(None)
            yield from _pulled(graph)

    def _steps(self, frame: av.VideoFrame) -> tuple[tuple[str, str], ...]:
        steps: list[tuple[str, str]] = []
        if frame.interlaced_frame:
            # Only those that are marked so, one picture of each.
            steps.append(("bwdif", "mode=send_frame:deint=interlaced"))
            self._remarks.once("interlaced pictures were made whole")
        steps += _turns(frame, self._remarks)
        if any(component.is_alpha for component in frame.format.components):
            self._remarks.once(NO_TRANSPARENCY)
        if frame.color_trc in HIGH_DYNAMIC_RANGE or frame.color_primaries == ColorPrimaries.BT2020:
            steps.append(
                ("scale", "out_primaries=bt709:out_transfer=bt709:intent=perceptual:" + _camera("bt709"))
            )
            self._remarks.once("high dynamic range or wide colours were mapped to BT.709")
        elif frame.format.name not in I420 or frame.colorspace not in CAMERA_MATRICES:
            steps.append(("scale", _camera("bt709" if matrix(frame) == Colorspace.ITU709 else "smpte170m")))
        if frame.format.name not in I420:
            steps.append(("format", "yuv420p"))
        return tuple(steps)


def matrix(frame: av.VideoFrame) -> Colorspace:
    """Return which of the two matrices a camera may have fits a picture: its own, or what players assume."""
    if frame.colorspace == Colorspace.ITU709:
        return Colorspace.ITU709
    is_meant = frame.colorspace == UNSPECIFIED and frame.height >= HD_HEIGHT
    return Colorspace.ITU709 if is_meant else Colorspace.ITU601


def is_full_range(frame: av.VideoFrame) -> bool:
    return frame.format.name == "yuvj420p" or frame.color_range == ColorRange.JPEG


def is_on_its_side(frame: av.VideoFrame) -> bool:
    """Return whether a picture's width becomes its height."""
    found = _display_matrix(frame)
    return found is not None and not found[0] and not found[3] and bool(found[1] and found[2])


def _camera(matrix_name: str) -> str:
    return f"out_color_matrix={matrix_name}:out_range=limited"


def _turns(frame: av.VideoFrame, remarks: Remarks) -> list[tuple[str, str]]:
    """Return what brings a picture upright: x' = a x + c y, y' = b x + d y by its display matrix."""
    found = _display_matrix(frame)
    if found is None:
        return []
    a, b, c, d = found
    if not b and not c:
        # Upside down is two turns: FFmpeg's vflip gives pictures whose lines lie backwards in memory.
        return [("hflip", "")] * ((a < 0) != (d < 0)) + [("transpose", "clock")] * 2 * (d < 0)
    if not a and not d:
        # FFmpeg's names: clock turns to the right; with flip the picture is mirrored top to bottom first.
        names = {(1, 1): "cclock_flip", (1, -1): "clock", (-1, 1): "cclock", (-1, -1): "clock_flip"}
        return [("transpose", names[_sign(b), _sign(c)])]
    remarks.once("the film is turned by an odd angle, which is left out")
    return []


def _display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    side_data: Any = frame.side_data
    data = side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    # Whatever is nearly a right angle is one.
    a, b, c, d = (0 if abs(one) < ONE // 100 else one for one in (a, b, c, d))
    return a, b, c, d


def _sign(value: int) -> int:
    return 1 if value > 0 else -1


def _graph(frame: av.VideoFrame, steps: tuple[tuple[str, str], ...]) -> Graph:
    graph = Graph()
    graph.threads = 1
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    for name, options in steps:
        step = graph.add(name, options or None)
        last.link_to(step)
        last = step
    end = graph.add("buffersink")
    last.link_to(end)
    graph.configure()
    return graph


def _pulled(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
