"""`run` on films as telephones, cameras, broadcasters and editors make them."""

from __future__ import annotations

import http.server
import io
import os
import threading
from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from inference_service.film.target import LAYOUTS
from inference_service.film.texts import read, write
from tests.inference_service.commands.test_commands import call
from tests.inference_service.film.films import (
    RATE,
    film,
    greys,
    kinds,
    moving,
    quarters,
    seen_quarters,
    shown,
)

BT709 = {
    "color_primaries": ColorPrimaries.BT709,
    "color_trc": ColorTrc.BT709,
    "colorspace": Colorspace.ITU709,
    "color_range": ColorRange.MPEG,
}
NO_LOSS = {"crf": "1"}


@pytest.fixture
def run(tmp_path, capsys):
    """Run a filter on a film; returns the path of what it made and what was said beside."""

    def on(source, suffix=".mp4", name="passthrough", code=0):
        out = tmp_path / f"out{suffix}"
        assert call("run", name, source, out, "--device", "cpu", "--overwrite") == code
        said = capsys.readouterr().err
        assert out.exists() == (code == 0)
        assert not list(tmp_path.glob(".out*"))
        return out, said

    return on


@pytest.mark.parametrize(
    ("degrees", "is_mirrored", "seen"),
    # As Chromium shows them.
    [
        (0, True, "GRWB"),
        (90, False, "GWRB"),
        (90, True, "WGBR"),
        (180, False, "WBGR"),
        (180, True, "BWRG"),
        (270, False, "BRWG"),
        (270, True, "RBGW"),
    ],
)
def test_filters_and_players_see_a_turned_film_upright_also_with_sound(
    tmp_path, run, degrees, is_mirrored, seen
):
    turned = film(
        tmp_path / "in.mp4",
        [quarters()] * 3,
        rotation=(degrees, is_mirrored),
        sounds=["aac"],
        options=NO_LOSS,
    )
    out, said = run(turned)
    frames = shown(out)
    assert (len(frames), frames[0].rotation, seen_quarters(frames[0]), said) == (3, 0, seen, "")
    assert (frames[0].width, frames[0].height) == ((96, 160) if degrees % 180 else (160, 96))
    assert kinds(out) == [("video", "h264"), ("audio", "aac")]


def test_a_pixels_shape_is_kept_and_turned_with_the_picture(tmp_path, run):
    wide = film(tmp_path / "in.mp4", [quarters()] * 2, shape=Fraction(32, 27))
    with av.open(str(run(wide)[0])) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(32, 27)
    turned = film(tmp_path / "in.mp4", [quarters()] * 2, shape=Fraction(32, 27), rotation=(90, False))
    with av.open(str(run(turned)[0])) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(27, 32)


def test_a_sound_of_unknown_codec_is_left_out_and_the_other_one_goes_along(tmp_path, run):
    source = film(tmp_path / "in.mp4", greys(3), sounds=["aac", "aac"])
    data = source.read_bytes()
    for name in (b"mp4a", b"esds"):
        last = data.rindex(name)
        data = data[:last] + b"zzzz" + data[last + 4 :]
    source.write_bytes(data)
    out, said = run(source)
    assert kinds(out) == [("video", "h264"), ("audio", "aac")]
    assert said == "left out: sound of stream 2, whose codec is not known\n"


def tags(path):
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        return {name: int(getattr(context, name)) for name in BT709}


def test_tags_of_colours_are_kept(tmp_path, run):
    source = film(tmp_path / "in.mp4", [quarters()] * 2, tags=BT709)
    assert tags(run(source)[0]) == {name: int(value.value) for name, value in BT709.items()}
    # And none are made up, since players take others for those that are not named.
    source = film(tmp_path / "in.mp4", [quarters()] * 2)
    assert tags(run(source)[0])["colorspace"] == tags(source)["colorspace"] == 2


# FFmpeg makes a table of each curve's colours, which takes it seconds.
@pytest.mark.parametrize(
    "curve", [pytest.param(ColorTrc.ARIB_STD_B67, marks=pytest.mark.slow), ColorTrc.SMPTE2084]
)
def test_high_dynamic_range_becomes_bt709_and_is_tagged_so(tmp_path, run, curve):
    hdr = {"color_primaries": ColorPrimaries.BT2020, "color_trc": curve, "colorspace": Colorspace.BT2020}
    pictures = greys(3)
    source = film(tmp_path / "in.mkv", pictures, codec="ffv1", pix_fmt="yuv420p10le", tags=hdr)
    out, said = run(source)
    assert tags(out) == {name: int(value.value) for name, value in BT709.items()}
    assert "mapped to BT.709" in said
    levels = [frame.to_ndarray(format="gray").mean() for frame in shown(out)]
    assert levels == sorted(levels)
    assert levels[-1] - levels[0] > 20


def test_ten_bits_of_standard_range_keep_their_colours(tmp_path, run):
    source = film(tmp_path / "in.mkv", [quarters()] * 2, codec="ffv1", pix_fmt="yuv420p10le", tags=BT709)
    out, said = run(source)
    assert (seen_quarters(shown(out)[0]), tags(out)["colorspace"], said) == ("RGBW", 1, "")


def test_damaged_packets_are_skipped_counted_and_said(tmp_path, run):
    source = film(tmp_path / "in.mp4", greys(20, 240, 320), sounds=["aac"], options={"g": "5", "crf": "1"})
    with av.open(str(source)) as file:
        key = [packet for packet in file.demux(video=0) if packet.is_keyframe][1]
        at, size = key.pos, key.size
    assert at is not None
    data = bytearray(source.read_bytes())
    data[at : at + size] = bytes(255 - one for one in data[at : at + size])
    source.write_bytes(data)
    out, said = run(source)
    assert 15 <= len(shown(out)) <= 19
    assert said.startswith("a damaged packet was skipped")
    assert kinds(out)[1] == ("audio", "aac")


def test_a_film_of_uneven_times_keeps_them_and_repeats_are_left_out(tmp_path, run):
    times = [0, 1, 2, 10, 11, 30]
    out, _ = run(film(tmp_path / "in.mkv", greys(6), times=times))
    assert [round(frame.time * RATE) for frame in shown(out)] == times


def test_a_film_that_begins_late_by_its_own_count_loses_no_picture(tmp_path, run):
    # Its first packets have no time of decoding, since pictures are reordered.
    times = range(90_000, 90_025)
    out, said = run(film(tmp_path / "in.mkv", moving(25), times=times, options={"bf": "3"}))
    assert said == ""
    assert [round(frame.time * RATE) for frame in shown(out)] == list(range(25))


def test_reordered_pictures_of_avi_are_all_there(tmp_path, run):
    out, said = run(film(tmp_path / "in.avi", moving(25), options={"bf": "3"}))
    assert said == ""
    times = [frame.time * RATE for frame in shown(out)]
    assert np.diff(times) == pytest.approx([1] * 24)


def test_a_joined_broadcast_runs_on_where_its_times_jump(tmp_path, run):
    one = film(tmp_path / "one.ts", greys(25), sounds=["aac"], container="mpegts").read_bytes()
    joined = tmp_path / "in.ts"
    joined.write_bytes(one + one)
    out, said = run(joined)
    times = [frame.time for frame in shown(out)]
    assert len(times) == 50
    assert np.diff(times) == pytest.approx([1 / RATE] * 49, abs=0.002)
    assert "the times jump" in said


def test_interlaced_pictures_are_made_whole(tmp_path, run):
    # Lines of a moving edge stand in two places.
    pictures = []
    for number in range(6):
        rgb = np.full((96, 160, 3), 60, np.uint8)
        rgb[0::2, 16 * number : 16 * number + 40] = rgb[1::2, 16 * number + 8 : 16 * number + 48] = 200
        pictures.append(rgb)
    options = {"flags": "+ilme+ildct", "x264-params": "tff=1:crf=5"}
    source = film(tmp_path / "in.mkv", pictures, options=options)
    assert shown(source)[2].interlaced_frame
    out, said = run(source)
    combs = [
        np.abs(np.diff(frames[2].to_ndarray(format="gray").astype(int), axis=0)).mean()
        for frames in (shown(source), shown(out))
    ]
    assert combs[1] < combs[0] / 3
    assert "interlaced" in said


def test_transparency_and_further_pictures_are_left_out_and_said(tmp_path, run):
    source = tmp_path / "in.mov"
    with av.open(str(source), "w") as file:
        for picture, pix_fmt in ((quarters(), "argb"), (quarters("WWWW", 48, 80), "rgb24")):
            stream = file.add_stream("qtrle", rate=RATE)
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = pix_fmt
        for stream, picture in zip(file.streams.video, (quarters(), quarters("WWWW", 48, 80)), strict=True):
            for _ in range(2):
                file.mux(
                    stream.encode(
                        av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=stream.pix_fmt)
                    )
                )
            file.mux(stream.encode(None))
    out, said = run(source)
    assert [seen_quarters(frame) for frame in shown(out)] == ["RGBW"] * 2
    assert "transparency" in said
    assert "left out: picture (qtrle) of stream 1, since one picture is filtered" in said


def with_extras(path):
    """Write a film with subtitles, chapters, a title and a cover; returns its path."""
    plain = film(path.with_name("plain.mp4"), greys(25), sounds=["aac"])
    with av.open(str(plain)) as given, av.open(str(path), "w") as file:
        copies = {one.index: file.add_stream_from_template(one) for one in given.streams}
        texts = file.add_mux_stream("mov_text")
        cover = file.add_mux_stream("png", width=160, height=96)
        cover.disposition = Disposition.attached_pic
        file.metadata["title"] = "Holiday"
        file.set_chapters(
            [
                {
                    "id": 1,
                    "start": 0,
                    "end": 500,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": "First"},
                },
                {
                    "id": 2,
                    "start": 500,
                    "end": 999,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": "Then"},
                },
            ]
        )
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                file.mux(packet)
        said = av.Packet(b"\0\5hello")
        said.stream, said.time_base, said.pts, said.dts, said.duration = texts, Fraction(1, 1000), 0, 0, 900
        file.mux(said)
        file.mux(shot(cover))
    return path


def shot(cover):
    """Return the one packet of a film's cover."""
    png = io.BytesIO()
    av.VideoFrame.from_ndarray(quarters(), "rgb24").to_image().save(png, "PNG")
    packet = av.Packet(png.getvalue())
    packet.stream, packet.pts, packet.dts, packet.time_base = cover, 0, 0, Fraction(1, 1000)
    packet.is_keyframe = True
    return packet


def test_subtitles_chapters_title_and_cover_go_along_where_the_container_takes_them(tmp_path, run):
    source = with_extras(tmp_path / "in.mp4")
    out, said = run(source)
    assert said == ""
    assert kinds(out) == kinds(source)
    with av.open(str(out)) as file:
        assert file.metadata["title"] == "Holiday"
        assert [one["metadata"]["title"] for one in file.chapters()] == ["First", "Then"]
        assert file.streams.video[1].disposition & Disposition.attached_pic
    out, said = run(source, ".mkv")
    assert kinds(out) == [("video", "h264"), ("audio", "aac"), ("subtitle", "subrip")]
    assert "written as plain subrip: subtitles (mov_text)" in said
    assert "left out: picture (png)" in said


@pytest.mark.parametrize(("suffix", "kind"), [(".mp4", "mov_text"), (".webm", "webvtt")])
def test_subtitles_go_along_as_plain_text_in_the_container_s_own_form(tmp_path, run, suffix, kind):
    plain, source = film(tmp_path / "plain.mp4", greys(25)), tmp_path / "in.mkv"
    with av.open(str(plain)) as given, av.open(str(source), "w") as file:
        copied = file.add_stream_from_template(given.streams.video[0])
        subtitles = file.add_mux_stream("subrip")
        subtitles.metadata["language"] = "jpn"
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                file.mux(packet)
        for start_ms, text in ((200, "<i>\u3053\u3093</i>"), (600, "two\nlines")):
            said = av.Packet(text.encode())
            said.stream, said.time_base, said.duration = subtitles, Fraction(1, 1000), 300
            said.pts = said.dts = start_ms
            file.mux(said)
    out, _ = run(source, suffix)
    assert kinds(out)[1] == ("subtitle", kind)
    with av.open(str(out)) as file:
        assert file.streams.subtitles[0].metadata["language"] == "jpn"
        packets = [packet for packet in file.demux(subtitles=0) if packet.size]
        shown_at = {read(kind, bytes(one)): float((one.pts or 0) * one.time_base) for one in packets}
    assert shown_at.pop("", 0) >= 0
    assert shown_at == pytest.approx({"\u3053\u3093": 0.2, "two\nlines": 0.6})


def test_texts_are_read_from_every_form():
    assert read("mov_text", b"\0\5hello\0\0\0\x0cstyl") == "hello"
    assert read("mov_text", b"\0") == read("mov_text", b"") == ""
    assert read("ass", rb"0,0,Default,,0,0,0,,{\an8}one, two\Nthree") == "one, two\nthree"
    assert read("webvtt", b"<v Ann>1 < 2</v>") == "1 < 2"
    assert len(write("mov_text", "x" * 100_000)) < 70_000


def test_a_sound_that_the_container_does_not_take_is_encoded_anew_and_webm_has_its_own_codec(tmp_path, run):
    source = film(tmp_path / "in.mkv", greys(10), sounds=["pcm_s16le"])
    out, said = run(source, ".webm")
    assert kinds(out) == [("video", "vp9"), ("audio", "opus")]
    assert said == "encoded anew as opus: sound (pcm_s16le) of stream 1, which this container does not take\n"
    with av.open(str(out)) as file:
        heard = np.concatenate([frame.to_ndarray().ravel() for frame in file.decode(audio=0)])
    assert 0.3 < len(heard) / 48_000 < 0.5
    assert np.abs(heard).max() > 0.3


@pytest.mark.parametrize("suffix", [".avi", ".ts"])
def test_a_sound_that_is_copied_keeps_its_length_in_other_units_of_time(tmp_path, run, suffix):
    out, said = run(film(tmp_path / "in.mp4", greys(25), sounds=["aac"]), suffix)
    assert (kinds(out), said) == ([("video", "h264"), ("audio", "aac")], "")
    with av.open(str(out)) as file:
        heard = [packet for packet in file.demux(audio=0) if packet.size]
    assert 45 < len(heard) < 52


def test_a_picture_s_file_is_no_film(tmp_path, run):
    assert ".png is for single pictures" in run(film(tmp_path / "in.mp4", greys(2)), ".png", code=1)[1]


@pytest.mark.parametrize(("channels", "suffix"), [(1, ".mp4"), (4, ".mp4"), (6, ".ts")])
def test_a_sound_without_names_of_its_channels_is_encoded_anew(tmp_path, run, channels, suffix):
    source = tmp_path / "in.avi"
    with av.open(str(film(tmp_path / "plain.avi", greys(10)))) as given, av.open(str(source), "w") as file:
        copied = file.add_stream_from_template(given.streams.video[0])
        # A rate that few encoders take.
        sound = file.add_stream("pcm_u8", rate=11_000, layout=LAYOUTS[channels - 1])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                file.mux(packet)
        block = av.AudioFrame.from_ndarray(np.full((1, 4000 * channels), 99, np.uint8), "u8", sound.layout)
        block.sample_rate, block.pts = 11_000, 0
        file.mux(sound.encode(block))
    out, said = run(source, suffix)
    assert "encoded anew" in said
    assert [kind for kind, _ in kinds(out)] == ["video", "audio"]
    with av.open(str(out)) as file:
        assert file.streams.audio[0].codec_context.channels == (channels if suffix == ".mp4" else 2)


@pytest.mark.parametrize("size", [(8, 8), (32, 4100)])
def test_pictures_that_no_filter_takes_are_refused_with_the_reason(tmp_path, run, size):
    height, width = size
    source = film(tmp_path / "in.mkv", greys(2, height, width), codec="ffv1")
    said = run(source, code=1)[1]
    assert f"its pictures are {width}x{height}; filters take sides of 16 to 4096 pixels" in said


def test_fonts_and_the_time_code_go_along_where_the_container_takes_them(tmp_path, run):
    plain, source = film(tmp_path / "plain.mp4", greys(5)), tmp_path / "in.mkv"
    with av.open(str(plain)) as given, av.open(str(source), "w") as file:
        copied = file.add_stream_from_template(given.streams.video[0])
        copied.metadata["timecode"] = "01:00:00:00"
        file.add_attachment("a.ttf", "application/x-truetype-font", b"letters")
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = copied
                file.mux(packet)
    out, said = run(source, ".mkv")
    assert said == ""
    with av.open(str(out)) as file:
        assert [(one.name, one.data) for one in file.streams.attachments] == [("a.ttf", b"letters")]
    out, said = run(source, ".mp4")
    assert said == "left out: attachment of stream 1, which this container does not take\n"
    with av.open(str(out)) as file:
        assert "01:00:00:00" in [one.metadata.get("timecode") for one in file.streams]
    assert run(out, ".mov")[1] == ""


def test_transparency_beside_the_picture_is_told_too(tmp_path, run):
    with av.open(str(tmp_path / "in.webm"), "w") as file:
        stream = file.add_stream("libvpx-vp9", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuva420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(quarters(), "rgb24").reformat(format="yuva420p")))
        file.mux(stream.encode(None))
    assert run(tmp_path / "in.webm", ".webm")[1] == "left out: the pictures' transparency\n"


def test_pictures_that_change_their_size_are_written_in_the_first_ones(tmp_path, run):
    small = film(tmp_path / "a.h264", [quarters()] * 3, container="h264").read_bytes()
    large = film(tmp_path / "b.h264", [quarters("RGBW", 192, 320)] * 3, container="h264").read_bytes()
    (tmp_path / "in.h264").write_bytes(small + large)
    out, said = run(tmp_path / "in.h264")
    assert {(frame.width, frame.height, seen_quarters(frame)) for frame in shown(out)} == {(160, 96, "RGBW")}
    assert "change their size" in said


@pytest.mark.parametrize("name", ["sound.m4a", "cover.mp4"])
def test_a_film_without_a_moving_picture_is_refused_with_the_reason(tmp_path, run, name):
    source = tmp_path / name
    with av.open(str(source), "w") as file:
        if name == "cover.mp4":
            cover = file.add_mux_stream("png", width=160, height=96)
            cover.disposition = Disposition.attached_pic
        sound = file.add_stream("aac", rate=48_000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        block.sample_rate = 48_000
        file.mux(sound.encode(block))
        file.mux(sound.encode(None))
        if name == "cover.mp4":
            file.mux(shot(cover))
    assert "it has no video that can be decoded" in run(source, code=1)[1]


def test_a_film_whose_packets_hold_no_picture_is_refused(tmp_path, run):
    source = film(tmp_path / "in.mp4", greys(3))
    with av.open(str(source)) as file:
        spans = [(packet.pos or 0, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(source.read_bytes())
    for at, size in spans:
        data[at : at + size] = b"\xff" * size
    source.write_bytes(data)
    said = run(source, code=1)[1]
    assert "it has no picture that can be decoded" in said
    assert "damaged" in said


def test_a_film_comes_from_standard_input(tmp_path, run):
    source = film(tmp_path / "in.mkv", greys(5), sounds=["aac"])
    own = os.dup(0)
    try:
        with source.open("rb") as given:
            os.dup2(given.fileno(), 0)
        out, _ = run("-")
    finally:
        os.dup2(own, 0)
        os.close(own)
    assert len(shown(out)) == 5


def test_a_film_comes_from_an_address(tmp_path, run):
    film(tmp_path / "in.ts", greys(5), container="mpegts")
    handler = partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert len(shown(run(f"{address}/in.ts")[0])) == 5
        said = run(f"{address}/absent.ts", suffix=".mkv", code=1)[1]
        server.shutdown()
    assert "404" in said


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *said):
        pass
