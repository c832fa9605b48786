"""The real process, spoken to over the wire."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from inference_service.__main__ import main
from inference_service.engine.engine import Engine
from shared.wire import FilterState, LoopState, ResultKind
from tests.inference_service.doubles import noise, signaling, until

COMMAND = [sys.executable, "-m", "inference_service"]


@contextmanager
def process(tmp_path, *arguments):
    log = (tmp_path / "log").open("w+")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("INFERENCE_")}
    one: Any = subprocess.Popen([*COMMAND, *arguments], stderr=log, stdout=log, env=environ)
    one.log = lambda: (tmp_path / "log").read_text()
    try:
        yield one
    finally:
        one.kill()
        one.wait()
        log.close()


def all_loaded(status):
    return sum(f.state is FilterState.LOADED for f in status.filters) == 2


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """Install a filter named `plug` for processes that are started later; the body follows its name."""

    def install(body):
        package = tmp_path / "plug"
        info = package / "plug-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[p2pcamera.filters]\nplug = plug_filter:Plug\n")
        (package / "plug_filter.py").write_text(
            "import time\n"
            "from inference_service.filters.invert import Invert\n"
            "class Plug(Invert):\n"
            "    name = 'plug'\n" + textwrap.indent(textwrap.dedent(body), "    ")
        )
        found = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
        monkeypatch.setenv("PYTHONPATH", found)

    return install


def test_a_worker_filters_and_drains_also_while_a_filter_is_loading(tmp_path, plugged):
    plugged("def load(self, device):\n    time.sleep(60)\n")
    with (
        signaling() as service,
        process(
            tmp_path, "--test-params", "--filters", "passthrough,invert", "--signaling", service.endpoint
        ) as one,
    ):
        status = service.status(all_loaded)
        planes = noise((640, 480))
        head, back = service.ask(status, planes, width=640, height=480)
        assert head.kind is ResultKind.FRAME
        assert back == planes
        head, back = service.ask(status, planes, width=640, height=480, filters=("invert",))
        assert head.kind is ResultKind.FRAME
        assert back != planes

        service.send(status, session=b"p" * 16, filters=("plug",))
        service.status(lambda s: s.loop_state is LoopState.LOADING)
        service.send(status, planes, width=640, height=480, params={"busy_ms": 700})
        service.status(lambda s: s.loop_state is LoopState.BATCH)
        one.send_signal(signal.SIGTERM)
        assert service.status(lambda s: s.draining).loop_state is LoopState.BATCH
        one.send_signal(signal.SIGINT)
        ((head, back),) = service.results(1, lambda result: result.kind is ResultKind.FRAME)
        ended_s = time.monotonic()
        assert back == planes
        assert one.wait(10) == 0
        assert time.monotonic() - ended_s < 3
        log = one.log()
        assert f"[worker {status.worker}]: the worker is on cpu, frames at {status.frames_endpoint}" in log
        assert "filter invert loaded in" in log
        assert "Traceback" not in log


def test_a_signal_during_the_start_ends_it_cleanly(tmp_path):
    with process(tmp_path, "--filters", "passthrough") as one:
        # Torch's libraries are mapped while it is being imported, long before there is a worker.
        maps = Path(f"/proc/{one.pid}/maps")
        until(lambda: "libtorch" in maps.read_text())
        one.send_signal(signal.SIGINT)
        assert one.wait(10) == 0
        assert "worker" not in one.log()
        assert "Traceback" not in one.log()


@pytest.mark.slow
def test_a_worker_whose_filters_fail_and_fail_says_so_and_leaves_with_1(tmp_path, plugged):
    plugged("def apply(self, batch, items):\n    return batch.nothing if batch.shape[2] != 480 else batch\n")
    with (
        signaling() as service,
        process(tmp_path, "--filters", "plug,invert", "--signaling", service.endpoint) as one,
    ):
        status = service.status(all_loaded)
        # Others are served in between: that is no reason to leave.
        for _ in range(40):
            head, _ = service.ask(status, session=b"a" * 16, filters=("plug",))
            assert (head.kind, head.code) == (ResultKind.ERROR, "filter_failed")
            head, _ = service.ask(status, session=b"b" * 16, filters=("invert",))
            assert head.kind is ResultKind.FRAME
        assert one.poll() is None
        stop = threading.Event()

        def go_on():
            with signaling() as sender, contextlib.suppress(AssertionError):  # It is gone.
                while not stop.wait(0.02):
                    sender.send(status, session=b"a" * 16, filters=("plug",), reply_to=service.endpoint)

        sending = threading.Thread(target=go_on)
        sending.start()
        try:
            assert service.status(lambda s: s.draining).worker == status.worker
            assert one.wait(20) == 1
        finally:
            stop.set()
            sending.join()
        assert "filters have failed too often in a row" in one.log()


def test_a_worker_whose_batch_does_not_end_leaves_with_3_and_settings_reach_its_filter(tmp_path, plugged):
    plugged(
        """
        from inference_service.filters import base

        class Settings(base.Settings):
            level: int = 1

        def apply(self, batch, items):
            # Wide ones never end.
            time.sleep(3600 if batch.shape[3] == 320 else 0)
            return batch * 0 + self.settings.level
        """
    )
    with (
        signaling() as service,
        process(
            tmp_path,
            "--filters",
            "plug,invert",
            "--signaling",
            service.endpoint,
            "--filter-settings",
            '{"plug": {"level": 200}}',
            "--hang-s",
            "5",
        ) as one,
    ):
        status = service.status(all_loaded)
        head, planes = service.ask(status, filters=("plug",))
        assert head.kind is ResultKind.FRAME
        assert abs(planes[0] - (16 + 219 * 200 / 255)) <= 1
        assert one.poll() is None
        service.send(status, noise((320, 240)), width=320, height=240, filters=("plug",))
        assert one.wait(30) == 3
        assert "plug_filter.py" in one.log()


@pytest.fixture
def signals(monkeypatch):
    """Signals are left to pytest; returns the handlers that would be set."""
    handlers: dict[int, Any] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    return handlers


def test_settings_that_cannot_be_used_are_all_named(signals, monkeypatch, capsys):
    arguments = ["--filters", "nope,invert", "--device", "cuda:99"]
    monkeypatch.setattr(sys, "argv", ["inference_service", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("--filters / INFERENCE_FILTERS: no filter 'nope'; there are ")
    assert lines[1].startswith("--device / INFERENCE_DEVICE: ")


def test_an_endpoint_that_cannot_be_bound_is_named(signals, monkeypatch, capsys, tmp_path):
    arguments = ["--device", "cpu", "--frames-bind", f"ipc://{tmp_path}/no/such/folder.ipc"]
    monkeypatch.setattr(sys, "argv", ["inference_service", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("--frames-bind / INFERENCE_FRAMES_BIND: ")


def test_a_fault_of_the_loop_ends_the_process_with_1(signals, monkeypatch):
    def fails(self):
        raise ZeroDivisionError

    monkeypatch.setattr(Engine, "_turn", fails)
    arguments = ["--device", "cpu", "--filters", "passthrough"]
    monkeypatch.setattr(sys, "argv", ["inference_service", *arguments])
    assert main() == 1
    assert set(signals) == {signal.SIGTERM, signal.SIGINT}
