"""The example package as an author would have it: built, installed elsewhere, served by a real worker."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inference_service.__main__ import main
from inference_service.device import colour
from inference_service.device.colour import Colour
from shared.wire import FilterState, LoopState, ResultKind
from tests.inference_service.doubles import Signaling, session, signaling

EXAMPLE = Path(__file__).parent.parent / "examples" / "afterglow"
ROOT = EXAMPLE.parent.parent
SIZE = (96, 64)
SIDE = 16
GREY = 100
TOLERANCE = 4
"""Of a level after I420 there and back."""


@pytest.fixture(scope="module")
def environ(tmp_path_factory) -> dict[str, str]:
    """Return the environment of a process that finds the package, installed into a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", target, EXAMPLE], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INFERENCE_")}
    folders = (str(target), str(ROOT), os.environ["PYTHONPATH"])
    return {**kept, "PYTHONPATH": os.pathsep.join(folders)}


@contextmanager
def worker(tmp_path, environ, service: Signaling) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "inference_service",
        "--test-params",
        "--device",
        "cpu",
        "--filters",
        "afterglow,passthrough",
    ]
    with log.open("w") as out:
        one = subprocess.Popen(
            [*command, "--signaling", service.endpoint], stdout=out, stderr=out, env=environ, cwd=tmp_path
        )
        try:
            yield one, log
        finally:
            one.kill()
            one.wait()


def is_loaded(status) -> bool:
    states = {one.name: one.state for one in status.filters}
    return states.get("afterglow") is states.get("passthrough") is FilterState.LOADED


def square_at(x: int, y: int) -> bytes:
    """Return I420 planes: a white square on grey, its upper left corner at (x, y)."""
    picture = torch.full((1, 3, SIZE[1], SIZE[0]), GREY, dtype=torch.uint8)
    picture[..., y : y + SIDE, x : x + SIDE] = 255
    return colour.rgb_to_i420(picture, Colour()).numpy().tobytes()


def rgb_at(planes: bytes, x: int, y: int) -> list[float]:
    """Return the mean RGB of 4 x 4 pixels in the middle of a square that stands, or stood, at (x, y)."""
    picture = colour.planes_to_rgb([levels(planes)], Colour())[0].float()
    top, left = y + SIDE // 2 - 2, x + SIDE // 2 - 2
    return picture[:, top : top + 4, left : left + 4].mean(dim=(1, 2)).tolist()


def levels(planes: bytes) -> Any:
    """Return packed planes as (H * 3 / 2, W) uint8."""
    return np.frombuffer(planes, np.uint8).reshape(SIZE[1] * 3 // 2, SIZE[0])


def frame(who: bytes, step: int, **params: Any) -> dict[str, Any]:
    size = {"width": SIZE[0], "height": SIZE[1]}
    return {"session": who, "sequence": step, "filters": ("afterglow",), "params": params, **size}


def ask(service: Signaling, status, who: bytes, step: int, planes: bytes, **params) -> bytes:
    head, back = service.ask(status, planes, **frame(who, step, **params))
    assert head.kind is ResultKind.FRAME, head
    return bytes(back)


def ask_together(service: Signaling, status, step: int, planes, looks) -> dict[bytes, bytes]:
    """Return what came back of a frame per session, all in one batch."""
    # While the worker is busy with another session's frame these wait, and so share the next batch.
    service.send(status, session=session(), params={"busy_ms": 900})
    service.status(lambda s: s.loop_state is LoopState.BATCH)
    for who, look in looks.items():
        service.send(status, planes[who], **frame(who, step, **look))
    came = service.results(len(looks), lambda result: result.session in looks)
    assert [head.kind for head, back in came] == [ResultKind.FRAME] * len(looks)
    return {head.session: back for head, back in came}


@pytest.mark.slow
def test_two_sessions_have_their_own_trails(tmp_path, environ):
    with signaling() as service, worker(tmp_path, environ, service) as (process, log):
        status = service.status(is_loaded)
        red, green = session(), session()
        looks: dict[bytes, dict[str, Any]] = {
            red: {"tint": "#ff0000", "decay": 0.7, "strength": 0.8},
            green: {"tint": "#00ff00", "decay": 0.9, "strength": 0.6},
        }
        was = {red: (16, 24), green: (64, 0)}
        now = {red: (48, 24), green: (64, 40)}
        for who, look in looks.items():
            first = square_at(*was[who])
            back = ask(service, status, who, 1, first, **look)
            assert np.abs(levels(back).astype(int) - levels(first)).max() <= TOLERANCE
            ask(service, status, who, 2, square_at(*now[who]), **look)

        planes = {who: square_at(*now[who]) for who in looks}
        for step in (3, 4, 5):
            if step == 3:
                shown = ask_together(service, status, step, planes, looks)
            else:
                shown = {
                    who: ask(service, status, who, step, planes[who], **look) for who, look in looks.items()
                }
            for who, look in looks.items():
                cover = look["strength"] * look["decay"] ** (step - 2)
                tint = bytes.fromhex(look["tint"][1:])
                expected = [GREY + cover * (level - GREY) for level in tint]
                assert rgb_at(shown[who], *was[who]) == pytest.approx(expected, abs=TOLERANCE)
                (other,) = set(looks) - {who}
                for place in (was[other], now[other]):
                    assert rgb_at(shown[who], *place) == pytest.approx([GREY] * 3, abs=TOLERANCE)

        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        # 2 + 2 + 6 frames of the two, one of the third; two of them in one batch.
        assert "frames_filtered=11 batches=10" in log.read_text()
        assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("divisor", "reaches_further"), [(4, False), (16, True)])
def test_the_operator_sets_how_fine_the_trail_is(tmp_path, environ, divisor, reaches_further):
    environ = {**environ, "INFERENCE_FILTER_SETTINGS": json.dumps({"afterglow": {"divisor": divisor}})}
    with signaling() as service, worker(tmp_path, environ, service):
        status = service.status(is_loaded)
        who = session()
        for step, x in enumerate((32, 64, 64)):
            back = ask(service, status, who, step, square_at(x, 32), tint="#ff0000", decay=1.0)
        assert rgb_at(back, 32, 32)[1] < GREY / 2
        # A coarse trail is blurred over its neighbours, a fine one is not.
        assert (rgb_at(back, 18, 32)[1] < GREY - TOLERANCE) is reaches_further


@pytest.fixture
def importable(tmp_path, monkeypatch) -> None:
    """Let this process find the package, as if it were installed."""
    info = tmp_path / "p2pcamera_afterglow-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: p2pcamera-afterglow\nVersion: 0.1.0\n")
    points = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{group}]\n{name} = {value}\n" for group, of in points.items() for name, value in of.items()]
    (info / "entry_points.txt").write_text("".join(lines))
    for folder in (tmp_path, EXAMPLE, EXAMPLE / "tests"):
        monkeypatch.syspath_prepend(str(folder))


def test_a_setting_out_of_bounds_is_named_at_the_start(importable, monkeypatch, capsys):
    settings = json.dumps({"afterglow": {"divisor": 0}})
    words = ["inference_service", "--device", "cpu", "--filters", "afterglow", "--filter-settings", settings]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # Signals are left to pytest.
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
    assert "afterglow.divisor" in capsys.readouterr().err


def test_what_its_own_tests_show_of_the_filter(importable):
    own = vars(importlib.import_module("test_afterglow"))
    functions = [one for name, one in own.items() if name.startswith("test_")]
    # Others are given parameters, or need a GPU.
    plain = [one for one in functions if not (signature(one).parameters or hasattr(one, "pytestmark"))]
    assert len(plain) > 3
    for one in plain:
        one()


@pytest.mark.slow
def test_the_packages_own_tests_pass(environ, tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE)]
    done = subprocess.run(
        [*command, "-c", str(EXAMPLE / "pyproject.toml"), str(EXAMPLE / "tests")],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
