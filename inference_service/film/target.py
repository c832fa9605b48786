"""A film that is written: its pictures encoded, sound and subtitles copied where the container takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange

from inference_service.film import texts
from inference_service.film.remarks import Remarks
from inference_service.film.source import Source, has_flag, is_cover, named
from inference_service.film.upright import is_full_range, is_on_its_side
from shared.frame import even

QUALITY = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libvpx-vp9": {"crf": "24", "b:v": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
    "mpeg4": {"qscale": "3"},
}
"""The encoders that are tried, the first that the container takes; nearly as good as the input."""
IN_MPEG_TS = frozenset(
    {"libx264", "h264", "hevc", "aac", "ac3", "eac3", "mp3", "mp3float", "opus", "libopus"}
)
"""FFmpeg does not tell what its MPEG-TS takes (ISO/IEC 13818-1, ETSI TS 101 154), but for its defaults."""
CONTAINERS_OWN = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
KEPT = frozenset({"language", "title", "timecode", "creation_time"})
"""Of what a film says of its stream of pictures; the rest is of its encoding."""
LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")
"""By the number of channels: what FFmpeg takes for sounds that do not say where theirs are heard."""
STEREO_AT_MOST = frozenset({"mp2", "mp3", "libmp3lame"})
OPUS_RATE = 48_000


class Target:
    """A film to write, whose pictures are like the first."""

    def __init__(
        self, path: Path, source: Source, first: av.VideoFrame, upright: av.VideoFrame, remarks: Remarks
    ) -> None:
        """`first` is the picture as it was decoded, `upright` as it is filtered.

        Raises ValueError where the container takes no encoder that is there, and what av.open raises.
        """
        opened = av.open(str(path), "w")
        assert isinstance(opened, OutputContainer)
        self._writing = opened
        self._takes = opened.supported_codecs | (
            IN_MPEG_TS if opened.format.name == "mpegts" else frozenset()
        )
        self._remarks = remarks
        self.width, self.height = even(upright.width), even(upright.height)
        self._pictures = self._encoder(path, source, first, upright)
        self._last_pts: int | None = None
        self._others: dict[int, _Other] = {}
        for stream in source.others:
            other = self._other(stream)
            if other is not None:
                self._others[stream.index] = other
        for attached in source.attachments:
            self._attach(attached)
        opened.metadata.update(
            {name: text for name, text in source.metadata.items() if name not in CONTAINERS_OWN}
        )
        if chapters := source.chapters:
            opened.set_chapters(chapters)
        opened.start_encoding()

    def put(self, frame: av.VideoFrame) -> bool:
        """Write a picture of `width` and `height`; False where its time is not after the one before."""
        assert frame.pts is not None
        assert frame.time_base is not None
        frame.pts = round(frame.pts * frame.time_base / self._time_base)
        frame.time_base = self._time_base
        if self._last_pts is not None and frame.pts <= self._last_pts:
            self._remarks.add("a picture was left out, since its time repeats or goes back")
            return False
        self._last_pts = frame.pts
        self._writing.mux(self._pictures.encode(frame))
        return True

    def put_other(self, packet: av.Packet[Any]) -> None:
        """Write a packet of another stream, where that goes along."""
        other = self._others.get(packet.stream.index)
        if other is not None:
            self._writing.mux(other.packets(packet, self._remarks))

    def finish(self) -> None:
        """Write what is left."""
        self._writing.mux(self._pictures.encode(None))
        for other in self._others.values():
            self._writing.mux(other.rest())

    def close(self) -> None:
        self._writing.close()

    def _encoder(self, path: Path, source: Source, first: av.VideoFrame, upright: av.VideoFrame) -> Any:
        if "image2" in self._writing.format.name:
            raise ValueError(f"{path.suffix} is for single pictures, and no container of a film")
        name = next((one for one in QUALITY if one in self._takes and one in av.codec.codecs_available), None)
        if name is None:
            raise ValueError(f"{path.suffix} takes none of the encoders {', '.join(QUALITY)}")
        stream: Any = self._writing.add_stream(name, rate=source.rate, options=dict(QUALITY[name]))
        said = source.pictures.metadata
        stream.metadata.update({name: text for name, text in said.items() if name.lower() in KEPT})
        stream.width, stream.height = self.width, self.height
        stream.pix_fmt = "yuv420p"
        given = source.pictures
        # A raw stream's is that of its bits, far too fine for a rate; some containers have rates alone.
        has_times = has_flag(self._writing.format, "variable_fps")
        is_fit = has_times and given.average_rate and given.time_base
        self._time_base = given.time_base if is_fit else 1 / source.rate
        context = stream.codec_context
        stream.time_base = context.time_base = self._time_base
        shape = given.sample_aspect_ratio
        if shape and shape != 1:
            context.sample_aspect_ratio = 1 / shape if is_on_its_side(first) else Fraction(shape)
        context.color_range = ColorRange.JPEG if is_full_range(upright) else ColorRange.MPEG
        context.colorspace = upright.colorspace
        context.color_primaries, context.color_trc = upright.color_primaries, upright.color_trc
        return stream

    def _other(self, stream: Any) -> _Other | None:
        if stream.codec_context.name in self._takes and not (is_cover(stream) and not self._keeps_covers):
            copied = self._writing.add_stream_from_template(stream)
            copied.metadata.update(stream.metadata)
            copied.disposition = stream.disposition
            return _Copied(copied)
        if (form := texts.form_for(stream, self._takes)) is not None:
            self._remarks.once(
                f"written as plain {form}: {named(stream)}, which this container does not take"
            )
            return texts.Texts(self._writing, stream, form)
        codec = self._writing.default_audio_codec
        if stream.type == "audio" and codec not in (None, "none"):
            self._remarks.once(
                f"encoded anew as {codec}: {named(stream)}, which this container does not take"
            )
            return _Encoded(self._writing, stream, codec)
        self._remarks.once(f"left out: {named(stream)}, which this container does not take")
        return None

    def _attach(self, stream: Any) -> None:
        if "matroska" not in self._writing.format.name:
            self._remarks.once(f"left out: {named(stream)}, which this container does not take")
            return
        given = stream.metadata
        self._writing.add_attachment(given.get("filename", ""), given.get("mimetype", ""), stream.data)

    @property
    def _keeps_covers(self) -> bool:
        return bool({"mp4", "mov", "ipod"} & set(self._writing.format.name.split(",")))


class _Copied:
    """A stream whose packets go through as they are."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._last_dts: int | None = None

    def packets(self, packet: av.Packet[Any], remarks: Remarks) -> Sequence[av.Packet[Any]]:
        if not packet.size:
            return ()
        # In the container's own unit, since there times have to rise too.
        unit = self._stream.time_base
        dts, pts = packet.dts, packet.pts
        least = 0 if self._last_dts is None else self._last_dts + 1
        dts = least if dts is None else round(dts * packet.time_base / unit)
        if self._last_dts is not None:
            dts = max(dts, least)
        pts = dts if pts is None else max(round(pts * packet.time_base / unit), dts)
        packet.duration = round((packet.duration or 0) * packet.time_base / unit)
        packet.time_base = unit
        packet.dts, packet.pts = dts, pts
        self._last_dts = dts
        packet.stream = self._stream
        return (packet,)

    def rest(self) -> Sequence[av.Packet[Any]]:
        return ()


class _Encoded:
    """A sound that the container takes in another codec alone."""

    def __init__(self, writing: OutputContainer, stream: Any, codec: str) -> None:
        given = stream.codec_context
        layout = given.layout.name
        if layout.endswith("channels") and given.layout.nb_channels <= len(LAYOUTS):
            # Told to the decoder, so that its frames have it.
            given.layout = layout = LAYOUTS[given.layout.nb_channels - 1]
        if codec in STEREO_AT_MOST and given.layout.nb_channels > 2:
            layout = "stereo"
        self._stream: Any = writing.add_stream(codec, rate=_rate(codec, given.sample_rate), layout=layout)
        self._stream.metadata.update(stream.metadata)
        context: Any = self._stream.codec_context
        context.open()
        self._resampler = av.AudioResampler(
            context.format, context.layout, context.sample_rate, context.frame_size or None
        )

    def packets(self, packet: av.Packet[Any], remarks: Remarks) -> Sequence[av.Packet[Any]]:
        try:
            heard = packet.decode()
        except av.error.FFmpegError:
            remarks.add("a damaged packet of the sound was skipped")
            return ()
        return [made for frame in heard for made in self._encoded(frame)]

    def rest(self) -> Sequence[av.Packet[Any]]:
        return [*self._encoded(None), *self._stream.encode(None)]

    def _encoded(self, frame: Any) -> Iterator[av.Packet[Any]]:
        for ready in self._resampler.resample(frame):
            yield from self._stream.encode(ready)


_Other = _Copied | _Encoded | texts.Texts


def _rate(codec: str, given: int) -> int:
    """Return the rate for a sound of rate `given`: the next that the encoder takes, samples a second."""
    if "opus" in codec:
        return OPUS_RATE
    rates = sorted(av.codec.Codec(codec, "w").audio_rates or [given])
    return next((rate for rate in rates if rate >= given), rates[-1])
