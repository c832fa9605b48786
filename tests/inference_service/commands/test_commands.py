"""The commands as their users type them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction

import av
import numpy as np
import pytest

from harness.services import ROOT
from inference_service import commands
from inference_service.engine.measuring import Bench
from tests.inference_service.doubles import until
from tests.inference_service.film.films import film

FRAMES = 20
SIZE = (160, 120)


def call(*words):
    """Run a command in this process; return its exit code."""
    try:
        return commands.main([str(word) for word in words])
    except SystemExit as exc:
        return exc.code


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """Install a filter named `plug`; the body follows its name."""

    def install(body):
        (tmp_path / "plug_filter.py").write_text(
            "import torch\n"
            "from inference_service.filters import base\n"
            "class Plug(base.Filter):\n"
            "    name = 'plug'\n"
            "    title = 'A plug'\n" + textwrap.indent(textwrap.dedent(body), "    ")
        )
        info = tmp_path / "plug-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[p2pcamera.filters]\nplug = plug_filter:Plug\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("plug_filter", None)


@pytest.fixture
def video(tmp_path):
    """A file of grey frames, each a little brighter, with uneven times and a sound."""
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        sound = file.add_stream("aac", rate=48000)
        for number in range(FRAMES):
            luma = np.full((SIZE[1], SIZE[0]), 60 + 5 * number, np.uint8)
            chroma = np.full((SIZE[1] // 2, SIZE[0]), 128, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.concatenate((luma, chroma)), "yuv420p")
            frame.pts = number if number < 10 else number + 7
            frame.time_base = Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        for number in range(0, 40 * 1024, 1024):
            tone = np.sin(np.arange(number, number + 1024) / 20).astype(np.float32)[None]
            heard = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
            heard.sample_rate, heard.pts = 48000, number
            file.mux(sound.encode(heard))
        file.mux(sound.encode())
    return path


def lumas_and_times(path):
    """Return the mean grey of each frame, in full range, and its time in s."""
    with av.open(str(path)) as file:
        frames = list(file.decode(video=0))
    return [float(frame.to_ndarray(format="gray").mean()) for frame in frames], [f.time for f in frames]


def sounds(path):
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]


def test_a_file_is_filtered_frame_by_frame_with_its_times_and_its_sound(video, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert call("run", "invert", video, out, "--device", "cpu") == 0
    assert f"{FRAMES} frames by invert on cpu" in capsys.readouterr().out
    (before, times_before), (after, times_after) = lumas_and_times(video), lumas_and_times(out)
    assert len(after) == FRAMES
    assert times_after == pytest.approx(times_before, abs=0.002)
    assert after == pytest.approx([255 - luma for luma in before], abs=3)
    assert sounds(out) == sounds(video)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_a_chain_with_parameters_by_name_is_run_on_a_file(video, tmp_path):
    out = tmp_path / "out.mkv"
    params = json.dumps({"ink": {"strength": 0}, "invert": {"busy_ms": 1}})
    assert call("run", "invert,ink,invert", video, out, "--params", params) == 0
    before, after = lumas_and_times(video)[0], lumas_and_times(out)[0]
    assert after == pytest.approx(before, abs=4)


def test_a_filter_keeps_its_state_from_frame_to_frame_of_a_file(video, tmp_path, plugged):
    plugged(
        """
        keeps_state = True
        class Settings(base.Settings):
            step: int = 1

        def apply(self, batch, items):
            count = items[0].state["count"] = items[0].state.get("count", 0) + self.settings.step
            return torch.full_like(batch, min(255, count))
        """
    )
    out = tmp_path / "out.mp4"
    assert call("run", "plug", video, out, "--filter-settings", '{"plug": {"step": 10}}') == 0
    lumas = lumas_and_times(out)[0]
    assert lumas == pytest.approx([10 * (n + 1) for n in range(FRAMES)], abs=3)


def test_an_output_that_is_there_is_kept_unless_told_otherwise(video, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    assert call("run", "invert", video, out) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert call("run", "invert", video, out, "--overwrite") == 0
    assert len(lumas_and_times(out)[0]) == FRAMES


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nope", "in.mp4", "out.mp4"], 2, "FILTER: no filter 'nope'; there are "),
        (["invrt", "in.mp4", "out.mp4"], 2, "FILTER: no filter 'invrt'; did you mean invert?"),
        ([",", "in.mp4", "out.mp4"], 2, "FILTER: expected the name of a filter"),
        (["invert", "in.mp4", "out.mp4", "--params", "["], 2, "--params: expected a JSON object"),
        (["invert", "in.mp4", "out.mp4", "--params", '{"busy_ms": -1}'], 2, "--params: params.busy_ms"),
        (["invert", "in.mp4", "out.mp4", "--device", "cuda:77"], 2, "--device / INFERENCE_DEVICE"),
        (["invert", "in.mp4", "no/out.mp4"], 1, "there is no folder"),
        (["invert", "absent.mp4", "out.mp4"], 1, "absent.mp4"),
        (["invert", "text.mp4", "out.mp4"], 1, "text.mp4"),
        (["invert", "in.mp4", "out.nothing"], 1, "out.nothing"),
        (["plug", "in.mp4", "out.mp4"], 1, "frame 3: filter 'plug' failed"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing_behind(
    video, tmp_path, monkeypatch, capsys, plugged, words, code, said
):
    plugged(
        """
        keeps_state = True
        def apply(self, batch, items):
            count = items[0].state["count"] = items[0].state.get("count", 0) + 1
            return batch if count <= 3 else 1 / 0
        """
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.mp4").write_text("no video at all")
    before = sorted(path.name for path in tmp_path.iterdir())
    # Of the worker's own, which this command does not look at.
    monkeypatch.setenv("INFERENCE_FILTERS", "absent")
    assert call("run", *words) == code
    err = capsys.readouterr().err
    assert said in err
    assert "--filters" not in err
    assert "INFERENCE_FILTERS" not in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == before


def test_a_filter_that_cannot_be_loaded_ends_the_command_with_its_reason(video, tmp_path, capsys, plugged):
    plugged(
        """
        def load(self, device):
            raise OSError("no such model")

        def apply(self, batch, items):
            return batch
        """
    )
    assert call("run", "plug", video, tmp_path / "out.mp4") == 1
    said = capsys.readouterr().err
    assert "filter 'plug' cannot be loaded" in said
    assert "no such model" in said


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("def apply(self, batch, items): return batch / 255", 1, "expected 0 to 255: multiply by 255"),
        ("class Params(base.Params):\n    strength: float", 2, "Params without a default: strength"),
        ("title = ''\ndef apply(self, batch, items): return batch", 2, "Plug has no title"),
    ],
)
def test_an_author_s_mistake_is_told_before_the_first_picture(
    video, tmp_path, capsys, plugged, body, code, said
):
    plugged(body if "apply" in body else f"def apply(self, batch, items): return batch\n{body}")
    assert call("run", "plug", video, tmp_path / "out.mp4") == code
    lines = capsys.readouterr().err.splitlines()
    assert [said in line and "'plug'" in line for line in lines] == [True]
    assert not (tmp_path / "out.mp4").exists()


def test_bench_says_what_each_camera_gets_and_what_each_stage_costs(capsys):
    words = ("--cameras", 3, "--size", "64x48", "--seconds", 0.5, "--device", "cpu")
    assert call("bench", "invert", *words, "--params", '{"busy_ms": 10}', "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    # A batch lasts for 10 ms and takes all three.
    assert 0 < measured["per_second"] <= 300
    assert measured["fastest"] <= 1.1 * measured["slowest"] + 3
    assert measured["p95_ms"] >= measured["p50_ms"] >= 10
    assert set(measured["stages_ms"]) == {"to_rgb", "filter", "to_i420"}
    assert measured["memory_mib"] > 10
    assert measured["failures"] == {}


def test_bench_at_a_rate_gives_each_camera_that_rate(capsys):
    words = ("--cameras", 2, "--size", "64x48", "--seconds", 1, "--fps", 20, "--device", "cpu")
    assert call("bench", "passthrough", *words) == 0
    said = capsys.readouterr().out
    assert "passthrough on cpu: 2 cameras of 64x48, 20 fps each" in said
    assert "frames/s" in said
    assert "p95" in said


def test_bench_counts_what_fails(capsys, plugged):
    plugged(
        """
        def apply(self, batch, items):
            return batch if batch.shape[2] == 480 else 1 / 0
        """
    )
    assert call("bench", "plug", "--size", "64x48", "--seconds", 0.3, "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["per_second"] == 0
    assert measured["failures"]["filter_failed"] > 0


def test_bench_warms_up_no_longer_than_it_measures(monkeypatch):
    measure, asked = Bench.measure, []

    def measured(self, load):
        asked.append(load)
        return measure(self, load)

    monkeypatch.setattr(Bench, "measure", measured)
    assert call("bench", "passthrough", "--size", "64x48", "--seconds", 0.1, "--device", "cpu") == 0
    assert [(load.warm_up_s, load.seconds) for load in asked] == [(0.1, 0.1)]


@pytest.mark.parametrize("words", [("--size", "3x3"), ("--size", "640"), ("--cameras", "0"), ("--fps", "-1")])
def test_bench_refuses_what_it_cannot_measure(words, capsys):
    assert call("bench", "invert", *words) == 2
    assert words[0] in capsys.readouterr().err


def test_list_names_every_filter_also_a_broken_one(capsys, plugged):
    plugged("def apply(self, batch, items): pass\nequal_params = frozenset({'nope'})\n")
    assert call("list") == 0
    lines = capsys.readouterr().out.splitlines()
    said = {line.split()[0]: line for line in lines}
    assert {"ink", "invert", "passthrough", "densepose", "plug"} <= set(said)
    assert "cannot be used: FilterNotUsable" in said["plug"]
    assert "are downloaded on first use" in said["densepose"]


def test_list_tells_programs_the_same(capsys, plugged):
    plugged("def apply(self, batch, items): pass\nequal_params = frozenset({'nope'})\n")
    assert call("list", "--json") == 0
    told = {one["name"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert told["plug"]["error"].startswith("FilterNotUsable")
    assert (told["ink"]["obstacle"], told["ink"]["weights"]) == (None, {})
    assert list(told["densepose"]["weights"].values()) == [False]


def test_list_knows_parameters_and_which_weights_are_here(capsys, tmp_path):
    from inference_service.filters.densepose import DensePose

    (tmp_path / DensePose.weights[0].name).touch()
    assert call("list", "--params", "--weights-dir", tmp_path) == 0
    said = capsys.readouterr().out
    assert f"weights {DensePose.weights[0].name} are here" in said
    assert "parameter strength: number 0.0..1.0, default 1.0." in said
    assert "setting short_side: " in said


def test_list_says_which_words_an_author_has_left_out(capsys, plugged):
    plugged("def apply(self, batch, items): pass\nclass Params(base.Params):\n    size: int = 3\n")
    assert call("list", "--params") == 0
    said = capsys.readouterr().out
    assert "    it has no description, which pages show beside the title\n" in said
    assert "    it has no title and no description for the parameter size: Field(..., title=...)\n" in said


def test_an_unknown_command_is_answered_with_all_of_them(capsys):
    assert call("fly") == 2
    said = capsys.readouterr().err
    assert "fly: no such command" in said
    for name in commands.COMMANDS:
        assert f"  {name}" in said


def colours(path):
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        return frame.to_ndarray(format="rgb24").astype(int), frame


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "container"),
    [("mjpeg", "yuvj420p", "matroska"), ("ffv1", "bgr0", "matroska"), ("libx264", "yuv420p", "mp4")],
)
def test_a_filter_that_changes_nothing_keeps_the_colours_of_any_input(tmp_path, codec, pix_fmt, container):
    levels = [(64, 64, 64), (250, 250, 250), (3, 3, 3), (200, 30, 40), (20, 180, 60), (30, 60, 220)]
    rgb = np.concatenate([np.full((64, 32, 3), level, np.uint8) for level in levels], axis=1)
    options = {"qscale": "2"} if codec == "mjpeg" else {"crf": "1"} if codec == "libx264" else {}
    source = film(
        tmp_path / "in.mkv", [rgb], codec=codec, pix_fmt=pix_fmt, container=container, options=options
    )
    assert call("run", "passthrough", source, tmp_path / "out.mp4") == 0
    (before, _), (after, _) = colours(source), colours(tmp_path / "out.mp4")
    for number in range(len(levels)):
        middle = (slice(16, 48), slice(32 * number + 12, 32 * number + 20))
        assert np.abs(before[middle].mean((0, 1)) - after[middle].mean((0, 1))).max() <= 6


def test_a_raw_stream_has_its_rate(tmp_path):
    frames = [np.full((48, 64, 3), 40 + 20 * number, np.uint8) for number in range(5)]
    raw = film(tmp_path / "in.h264", frames, container="h264")
    assert call("run", "passthrough", raw, tmp_path / "raw.mp4") == 0
    times = lumas_and_times(tmp_path / "raw.mp4")[1]
    assert times == pytest.approx([number / 25 for number in range(5)], abs=0.002)


def test_odd_sides_are_cropped(tmp_path):
    rgb = np.zeros((49, 65, 3), np.uint8)
    rgb[:, 32:34] = 255
    source = film(tmp_path / "in.mkv", [rgb], codec="ffv1", pix_fmt="bgr0")
    assert call("run", "passthrough", source, tmp_path / "out.mp4") == 0
    after, frame = colours(tmp_path / "out.mp4")
    assert (frame.width, frame.height) == (64, 48)
    assert after[24, 32:34].min() > 200 > 60 > after[24, 30].max()


def test_the_workers_flags_may_stand_anywhere(video, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert call("run", "--device", "cpu", "passthrough", "--max-batch", "4", video, out) == 0
    assert call("bench", "--device", "cpu", "passthrough", "--seconds", "0.1", "--size", "64x48") == 0
    assert call("run", "--frames-bind", "tcp://127.0.0.1:*", "passthrough", video, out, "--overwrite") == 2
    assert "--frames-bind" in capsys.readouterr().err


def test_what_a_command_prints_reaches_a_pipe(tmp_path):
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    # It needs no torch, whose import takes seconds.
    command = [sys.executable, "-m", "inference_service", "new", "soft"]
    environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=environ, timeout=100, check=True
    )
    assert "soft/ is made" in done.stdout


def test_a_command_that_is_interrupted_ends_quietly_and_leaves_nothing(video, tmp_path):
    out = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "inference_service", "run", "passthrough", str(video), str(out)]
    params = ["--params", json.dumps({"busy_ms": 2000})]
    one = subprocess.Popen([*command, *params], stderr=subprocess.PIPE, text=True)
    until(lambda: list(tmp_path.glob(".out.part*")))
    one.send_signal(signal.SIGINT)
    assert one.wait(20) == 130
    assert one.stderr is not None
    assert "Traceback" not in one.stderr.read()
    assert not out.exists()
    assert not list(tmp_path.glob(".out*"))
