"""`python -m inference_service run FILTER in.mp4 out.mp4`: a filter on a film.

Each picture goes through the same pipeline as a camera's, one after the other. Filters see it upright. Sound,
subtitles, chapters and times stay as they are; what cannot stay is said at the end.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace
from tqdm import tqdm

from inference_service import exit_codes
from inference_service.commands.chain import Chain, add_worker_flags, fail, loaded, prepare, worker_flags
from inference_service.engine.batcher import Ready
from inference_service.engine.health import Health
from inference_service.engine.mailbox import Received
from inference_service.engine.pipeline import Pipeline
from inference_service.errors import FilterFailed
from inference_service.film.remarks import Remarks
from inference_service.film.source import STANDARD_INPUT, Source
from inference_service.film.target import Target
from inference_service.film.upright import Upright, is_full_range, matrix
from inference_service.metrics import Metrics
from shared import wire
from shared.frame import MAX_SIDE, MIN_SIDE, ColourMatrix, ColourRange, even, is_usable_size
from shared.wire import FrameHeader, ResultKind

MAX_WAITING_BYTES = 256 << 20
"""Of sound and subtitles that come before the first picture."""


def main(argv: Sequence[str]) -> int:
    """Filter a film; return 0. Exits with 1 or 2, and says why, where that cannot be done."""
    arguments = _parser().parse_args(argv)
    flags = worker_flags(arguments)
    if arguments.output.exists() and not arguments.overwrite:
        fail(f"{arguments.output} is there already; --overwrite replaces it")
    if not arguments.output.parent.is_dir():
        fail(f"there is no folder {arguments.output.parent}")
    chain = prepare(arguments.filter, arguments.params, flags)
    remarks = Remarks()
    # Under its own name only when it is whole.
    part = arguments.output.with_name(f".{arguments.output.stem}.part{arguments.output.suffix}")
    try:
        count = _Job(chain, remarks).run(arguments.input, part)
        part.replace(arguments.output)
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        fail("\n".join([*remarks.lines(), f"{arguments.input} -> {arguments.output}: {exc}"]))
    finally:
        part.unlink(missing_ok=True)
    for line in remarks.lines():
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(f"{arguments.output}: {count} frames by {arguments.filter} on {chain.device_label}\n")
    return exit_codes.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference_service run", description="A filter on a film."
    )
    parser.add_argument("filter", metavar="FILTER", help="name of a filter, or several of a chain: a,b")
    parser.add_argument(
        "input", metavar="IN", help=f"any film that FFmpeg reads: a file, an address, or {STANDARD_INPUT}"
    )
    parser.add_argument(
        "output",
        type=Path,
        metavar="OUT",
        help="the container by its suffix: .mp4, .mkv, .mov, .webm, .ts",
    )
    parser.add_argument("--params", default="{}", metavar="JSON", help="parameters, of a chain by name")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT where it is there")
    add_worker_flags(parser)
    return parser


class _Job:
    """One film through one chain of filters."""

    def __init__(self, chain: Chain, remarks: Remarks) -> None:
        self._chain = chain
        self._remarks = remarks
        self._pipeline = Pipeline(chain.device, "run", Metrics(), Health(lambda: None))
        self._upright = Upright(remarks)
        self._target: Target | None = None
        self._waiting: deque[av.Packet[Any]] = deque()
        self._waiting_bytes = 0
        self._count = 0

    def run(self, name: str, path: Path) -> int:
        """Filter the film `name` into the file `path`; return how many pictures were written."""
        with ExitStack() as stack:
            source = stack.enter_context(closing(Source(name, self._remarks)))
            self._filters = loaded(self._chain)
            self._try_out()
            # tqdm itself is silent where nobody looks.
            bar = tqdm(total=source.count, unit="frame", disable=None, dynamic_ncols=True)
            self._bar = stack.enter_context(bar)
            for packet in source.packets():
                if packet.stream.index != source.pictures.index:
                    self._put_other(packet)
                    continue
                for frame in source.decoded(packet):
                    for ready in self._upright.feed(frame):
                        self._put(ready, frame, source, path, stack)
            for ready in self._upright.feed(None):
                self._put(ready, ready, source, path, stack)
            if self._target is None:
                raise ValueError("it has no picture that can be decoded")
            self._target.finish()
        return self._count

    def _try_out(self) -> None:
        """Run each filter once, as a worker does; ends with what its author has to mend."""
        for one in dict.fromkeys(self._filters):
            try:
                self._pipeline.warm(one)
            except FilterFailed as exc:
                fail(str(exc))
            except Exception as exc:
                sys.excepthook(type(exc), exc, exc.__traceback__)
                fail(f"filter {one.name!r} fails on a first picture")

    def _put_other(self, packet: av.Packet[Any]) -> None:
        if self._target is not None:
            self._target.put_other(packet)
            return
        # The file begins with the first picture, which says its size and its colours.
        self._waiting.append(packet)
        self._waiting_bytes += packet.size
        if self._waiting_bytes > MAX_WAITING_BYTES:
            raise ValueError("no picture among so much sound")

    def _put(
        self, ready: av.VideoFrame, decoded: av.VideoFrame, source: Source, path: Path, stack: ExitStack
    ) -> None:
        if self._target is None:
            if not is_usable_size(even(ready.width), even(ready.height)):
                sides = f"sides of {MIN_SIDE} to {MAX_SIDE} pixels"
                raise ValueError(f"its pictures are {ready.width}x{ready.height}; filters take {sides}")
            self._target = stack.enter_context(closing(Target(path, source, decoded, ready, self._remarks)))
            while self._waiting:
                self._target.put_other(self._waiting.popleft())
        filtered = self._filtered(ready, self._target.width, self._target.height)
        self._count += self._target.put(filtered)
        self._bar.update()

    def _filtered(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        if frame.width not in (width, width + 1) or frame.height not in (height, height + 1):
            self._remarks.once("the pictures change their size; all are written in the first one's")
            scaled = frame.reformat(width=width, height=height)
            scaled.pts, scaled.time_base = frame.pts, frame.time_base
            frame = scaled
        raw = self._chain.raw_params
        header = FrameHeader(
            session=bytes(16),
            reply_to="tcp://127.0.0.1:1",
            sequence=self._count,
            generation=0,
            pts=0,
            captured_ns=0,
            width=width,
            height=height,
            filters=self._chain.names,
            params=dict(raw),
            params_id=wire.params_id(raw),
            colour_range=ColourRange.FULL if is_full_range(frame) else ColourRange.LIMITED,
            colour_matrix=ColourMatrix.BT709 if matrix(frame) == Colorspace.ITU709 else ColourMatrix.BT601,
        )
        received = Received(header, memoryview(_planes(frame, width, height)), 0)
        (result,) = self._pipeline.run([Ready(received, self._filters, self._chain.params)])
        made, planes = wire.unpack_result(result.message)
        if made.kind is not ResultKind.FRAME:
            fail(f"frame {self._count}: {made.text}")
        out = av.VideoFrame.from_ndarray(
            np.frombuffer(planes, np.uint8).reshape(height * 3 // 2, width), "yuv420p"
        )
        out.pts, out.time_base = frame.pts, frame.time_base
        out.color_range, out.colorspace = frame.color_range, frame.colorspace
        return out


def _planes(frame: av.VideoFrame, width: int, height: int) -> bytes:
    return b"".join(_lines(frame, width, height))


def _lines(frame: av.VideoFrame, width: int, height: int) -> Iterator[bytes]:
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    for plane, (lines, columns) in zip(frame.planes, sizes, strict=True):
        # Cropped where a side is odd, as a camera's frames are.
        whole = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        yield whole[:lines, :columns].tobytes()
