"""`python -m inference_service run FILTER in.mp4 out.mp4`: a filter on a video file.

Each frame goes through the same pipeline as a camera's, one after the other and none left out. Sound and the
times of the frames stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from tqdm import tqdm

from inference_service.commands.chain import Chain, add_worker_flags, fail, loaded, prepare, worker_flags
from inference_service.engine.batcher import Ready
from inference_service.engine.health import Health
from inference_service.engine.mailbox import Received
from inference_service.engine.pipeline import Pipeline
from inference_service.filters.base import Filter
from inference_service.metrics import Metrics
from shared import wire
from shared.frame import ColourMatrix, ColourRange, even
from shared.wire import FrameHeader, ResultKind

EXIT_DONE = 0
QUALITY = {"libx264": {"crf": "18", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}}
"""The encoders that are tried, the first that this PyAV has; nearly as good as the input."""


def main(argv: Sequence[str]) -> int:
    """Filter a file; return 0. Exits with 1 or 2, and says why, where that cannot be done."""
    arguments = _parser().parse_args(argv)
    flags = worker_flags(arguments)
    if arguments.output.exists() and not arguments.overwrite:
        fail(f"{arguments.output} is there already; --overwrite replaces it")
    if not arguments.output.parent.is_dir():
        fail(f"there is no folder {arguments.output.parent}")
    chain = prepare(arguments.filter, arguments.params, flags)
    # Under its own name only when it is whole.
    part = arguments.output.with_name(f".{arguments.output.stem}.part{arguments.output.suffix}")
    try:
        frames = _filter_file(chain, arguments.input, part)
        part.replace(arguments.output)
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        fail(f"{arguments.input} -> {arguments.output}: {exc} (if it is the sound: an .mkv takes any)")
    finally:
        part.unlink(missing_ok=True)
    sys.stdout.write(f"{arguments.output}: {frames} frames by {arguments.filter} on {chain.device_label}\n")
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference_service run",
        description="A filter on a video file.",
    )
    parser.add_argument("filter", metavar="FILTER", help="name of a filter, or several of a chain: a,b")
    parser.add_argument("input", type=Path, metavar="IN", help="any video that FFmpeg reads")
    parser.add_argument(
        "output", type=Path, metavar="OUT", help="the container by its suffix: .mp4, .mkv, .mov"
    )
    parser.add_argument("--params", default="{}", metavar="JSON", help="parameters, of a chain by name")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT where it is there")
    add_worker_flags(parser)
    return parser


def _filter_file(chain: Chain, source: Path, target: Path) -> int:
    pipeline = Pipeline(chain.device, "run", Metrics(), Health(lambda: None))
    count = 0
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        if not reading.streams.video:
            fail(f"{source} has no video")
        video = reading.streams.video[0]
        video.thread_type = "AUTO"
        encoder = _encoder(writing, video)
        sounds = {stream.index: writing.add_stream_from_template(stream) for stream in reading.streams.audio}
        filters = loaded(chain)
        with _bar(video) as bar:
            for packet in reading.demux():
                if packet.stream.index in sounds:
                    if packet.dts is not None:
                        packet.stream = sounds[packet.stream.index]
                        writing.mux(packet)
                elif packet.stream.index == video.index:
                    for frame in packet.decode():
                        assert isinstance(frame, av.VideoFrame)
                        if frame.pts is None:
                            # A raw stream has no times: one frame after the other, at its rate.
                            frame.time_base = 1 / _rate(video)
                            frame.pts = count
                        if not count and frame.rotation:
                            encoder.set_display_rotation(frame.rotation)
                        writing.mux(encoder.encode(_filtered(pipeline, filters, chain, frame, count)))
                        count += 1
                        bar.update()
        writing.mux(encoder.encode(None))
    return count


def _rate(video: av.VideoStream) -> Fraction:
    return Fraction(video.average_rate or video.guessed_rate or 30)


def _encoder(writing: av.container.OutputContainer, video: av.VideoStream) -> Any:
    name = next(name for name in QUALITY if name in av.codec.codecs_available)
    encoder: Any = writing.add_stream(name, rate=_rate(video), options=dict(QUALITY[name]))
    encoder.width, encoder.height = even(video.width), even(video.height)
    encoder.pix_fmt = "yuv420p"
    # A raw stream's is that of its bits, far too fine for a rate.
    time_base = video.time_base if video.average_rate else 1 / _rate(video)
    encoder.time_base = encoder.codec_context.time_base = time_base
    colour_range, matrix = _meant(video.codec_context)
    encoder.codec_context.color_range, encoder.codec_context.colorspace = colour_range, matrix
    return encoder


def _meant(source: Any) -> tuple[ColorRange, Colorspace]:
    """Return the range and matrix in which a stream's or frame's pictures are filtered and written."""
    name = source.pix_fmt if hasattr(source, "pix_fmt") else source.format.name
    # Only I420 goes through as it is; everything else is converted to what cameras send.
    is_full = name == "yuvj420p" or (name == "yuv420p" and source.color_range == ColorRange.JPEG)
    is_bt709 = source.colorspace == Colorspace.ITU709
    return ColorRange.JPEG if is_full else ColorRange.MPEG, (
        Colorspace.ITU709 if is_bt709 else Colorspace.ITU601
    )


def _filtered(
    pipeline: Pipeline, filters: tuple[Filter, ...], chain: Chain, frame: av.VideoFrame, number: int
) -> av.VideoFrame:
    width, height = even(frame.width), even(frame.height)
    colour_range, matrix = _meant(frame)
    planes = _i420(frame, width, height, colour_range, matrix)
    header = FrameHeader(
        session=bytes(16),
        reply_to="tcp://127.0.0.1:1",
        sequence=number,
        generation=0,
        pts=0,
        captured_ns=0,
        width=width,
        height=height,
        filters=chain.names,
        params=dict(chain.raw_params),
        params_id=wire.params_id(chain.raw_params),
        colour_range=ColourRange.FULL if colour_range == ColorRange.JPEG else ColourRange.LIMITED,
        colour_matrix=ColourMatrix.BT709 if matrix == Colorspace.ITU709 else ColourMatrix.BT601,
    )
    received = Received(header, memoryview(planes), 0)
    (result,) = pipeline.run([Ready(received, filters, chain.params)])
    made, planes_out = wire.unpack_result(result.message)
    if made.kind is not ResultKind.FRAME:
        fail(f"frame {number}: {made.text}")
    array = np.frombuffer(planes_out, np.uint8).reshape(height * 3 // 2, width)
    out = av.VideoFrame.from_ndarray(array, "yuv420p")
    out.pts, out.time_base = frame.pts, frame.time_base
    out.color_range, out.colorspace = colour_range, matrix
    return out


def _i420(
    frame: av.VideoFrame, width: int, height: int, colour_range: ColorRange, matrix: Colorspace
) -> bytes:
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuv420p", dst_color_range=colour_range, dst_colorspace=matrix)
    views = []
    for plane, (lines, columns) in zip(
        frame.planes, ((height, width), (height // 2, width // 2), (height // 2, width // 2)), strict=True
    ):
        # Cropped where a side is odd, as a camera's frames are.
        whole = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        views.append(whole[:lines, :columns].tobytes())
    return b"".join(views)


@contextmanager
def _bar(video: av.VideoStream) -> Iterator[Any]:
    total = video.frames or None
    if total is None and video.duration and video.time_base and video.average_rate:
        total = round(float(video.duration * video.time_base * video.average_rate))
    # tqdm itself is silent where nobody looks.
    with tqdm(total=total, unit="frame", disable=None, dynamic_ncols=True) as bar:
        yield bar
