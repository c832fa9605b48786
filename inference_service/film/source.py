"""A film that is read: which of its streams go through, and its packets, damaged ones left out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from inference_service.film.clock import Clock, Reordered
from inference_service.film.remarks import NO_TRANSPARENCY, Remarks

STANDARD_INPUT = "-"
MAX_FAULTS_IN_A_ROW = 100
"""After so many reads that fail one after the other, the rest of the film cannot be read."""
MOST_PICTURES_S = 1000
"""A higher rate is a wrong guess, as of raw DV: it is that of the clock."""
WAIT_S = 30.0
"""For an answer of an address. A file or a pipe may be as slow as it likes."""


class Source:
    """A film to read. Closing it is the owner's."""

    def __init__(self, name: str, remarks: Remarks) -> None:
        """Open a file, an address or `-`.

        Raises OSError or av.error.FFmpegError, and ValueError where there is no moving picture.
        """
        path = "pipe:0" if name == STANDARD_INPUT else name
        opened = av.open(path, timeout=WAIT_S if "://" in name else None)
        assert isinstance(opened, InputContainer)
        self._reading = opened
        self._remarks = remarks
        self.pictures = _best(opened)
        if self.pictures is None:
            opened.close()
            raise ValueError("it has no video that can be decoded")
        self.pictures.thread_type = "AUTO"
        self._clock = Clock(
            Fraction(opened.start_time or 0, av.time_base),
            may_start_anew=has_flag(opened.format, "ts_discont"),
            remarks=remarks,
        )
        self._times = Reordered(has_presentation_times=opened.format.name != "avi")
        self._count = 0
        if self.pictures.metadata.get("alpha_mode") == "1":
            # VP8 and VP9 have it beside the picture, and FFmpeg's own decoders do not read it.
            remarks.once(NO_TRANSPARENCY)
        for stream in opened.streams:
            if stream is self.pictures or is_cover(stream) or stream.type == "attachment":
                continue
            # Names of chapters go along with these.
            is_of_chapters = stream.type == "data" and bool(opened.chapters())
            if stream.type == "data":
                # A time code goes along with the film's own words.
                if not is_of_chapters and "timecode" not in stream.metadata:
                    remarks.once(f"left out: {named(stream)}")
            elif not stream.codec_context:
                remarks.once(f"left out: {named(stream)}, whose codec is not known")
            elif stream.type == "video":
                remarks.once(f"left out: {named(stream)}, since one picture is filtered")

    @property
    def others(self) -> list[Any]:
        """The streams beside the pictures that can be copied, as far as the new container takes them."""
        return [
            stream
            for stream in self._reading.streams
            if stream is not self.pictures
            and stream.codec_context
            and (stream.type in ("audio", "subtitle") or is_cover(stream))
        ]

    @property
    def attachments(self) -> list[Any]:
        """Files that the film carries, such as the fonts of its subtitles."""
        return [stream for stream in self._reading.streams if stream.type == "attachment"]

    @property
    def metadata(self) -> dict[str, str]:
        """The film's own title, date and so on."""
        return dict(self._reading.metadata)

    @property
    def chapters(self) -> list[Any]:
        """Its chapters, on the clock of `packets`."""
        start_s = Fraction(self._reading.start_time or 0, av.time_base)
        moved = []
        for one in self._reading.chapters():
            base = one["time_base"]
            assert base is not None
            by = round(start_s / base)
            moved.append({**one, "start": one["start"] - by, "end": one["end"] - by})
        return moved

    @property
    def rate(self) -> Fraction:
        """Pictures a second, as far as it is known."""
        guesses = (self.pictures.average_rate, self.pictures.guessed_rate)
        return next((Fraction(rate) for rate in guesses if rate and rate <= MOST_PICTURES_S), Fraction(30))

    @property
    def count(self) -> int | None:
        """How many pictures there are, as far as it is known before."""
        stream = self.pictures
        if stream.frames or not (stream.duration and stream.time_base and stream.average_rate):
            return stream.frames or None
        return round(float(stream.duration * stream.time_base * self.rate))

    def packets(self) -> Iterator[av.Packet[Any]]:
        """Yield the packets, their times from zero on; those at the end of each stream are empty."""
        faults = 0
        reading = self._reading.demux()
        while True:
            try:
                packet = next(reading)
            except StopIteration:
                return
            except av.error.InvalidDataError:
                faults += 1
                if faults >= MAX_FAULTS_IN_A_ROW:
                    raise
                self._remarks.add("a damaged stretch was skipped")
                reading = self._reading.demux()
                continue
            faults = 0
            self._clock.move(packet)
            yield packet

    def decoded(self, packet: av.Packet[Any]) -> Iterator[av.VideoFrame]:
        """Yield the pictures that a packet of `pictures` completes, each with a time."""
        try:
            for frame in packet.decode():
                assert isinstance(frame, av.VideoFrame)
                frame.pts = self._times.time(frame.pts, frame.dts)
                if frame.pts is None:
                    # A raw stream has no times: one picture after the other, at its rate.
                    frame.time_base = 1 / self.rate
                    frame.pts = self._count
                self._count += 1
                yield frame
        except av.error.FFmpegError:
            self._remarks.add("a damaged packet was skipped")

    def close(self) -> None:
        self._reading.close()


def has_flag(container: Any, name: str) -> bool:
    """Return whether FFmpeg says so of a container, by the name of one of av.format.Flags."""
    return bool(container.flags & av.format.Flags[name].value)


def is_cover(stream: Any) -> bool:
    """Return whether a stream is one attached picture, such as a cover."""
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def named(stream: Any) -> str:
    """Return how a remark names a stream: its kind, its codec where it is known, and its number."""
    kinds = {"audio": "sound", "video": "picture", "subtitle": "subtitles"}
    codec = f" ({stream.codec_context.name})" if stream.codec_context else ""
    return f"{kinds.get(stream.type, stream.type)}{codec} of stream {stream.index}"


def _best(reading: InputContainer) -> Any:
    """Return the stream of pictures that a player would show."""
    moving = [one for one in reading.streams.video if one.codec_context and not is_cover(one)]
    return max(
        moving,
        key=lambda one: (bool(one.disposition & Disposition.default), one.width * one.height),
        default=None,
    )
