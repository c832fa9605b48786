"""`status` against a real service."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.services import Services
from signaling_service.tools import report
from signaling_service.tools.asking import Asking, NoAnswer, own_key, own_url
from signaling_service.tools.samples import Change, Samples, read
from signaling_service.tools.status_command import main
from tests.signaling_service.calling import page

KEY = "of-the-callers"


async def shown(*arguments: str) -> int:
    return await asyncio.to_thread(main, [*arguments, "--once", "--every", "0.5"])


async def test_it_tells_calls_workers_filters_and_rates_of_a_running_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"{KEY}\n")
    async with Services(tmp_path) as services, page() as caller:
        services.http.headers["Authorization"] = f"Bearer {KEY}"
        services.start_signaling("--api-key-file", str(key_file), "--processes", "2")
        services.start_light_worker("invert")
        await services.ready({"invert": 1})
        await caller.call(services.http, filter="invert")
        await caller.shows(10)

        assert await shown(services.url, "--json", "--api-key-file", str(key_file)) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["ready"] is True
        assert told["sessions"]["connected"] == 1
        assert told["sessions"]["room"] > 0
        assert told["rates"]["frames_in"] > 0
        assert told["rates"]["live_out"] > 0
        assert set(told["stages_ms"]) == {"decode", "transport", "wait", "batch", "filter", "encode"}
        (worker,) = told["workers"]
        assert (worker["live"], worker["state"] in ("idle", "batch")) == (True, True)
        assert {one["name"]: one["state"] for one in told["filters"]}["invert"] == "loaded"

        monkeypatch.setenv("SIGNALING_PORT", str(services.port))
        assert await shown() == 0
        text = capsys.readouterr().out
        assert f"127.0.0.1:{services.port}" in text
        assert worker["worker"] in text
        assert "filters: " in text
        assert "give the service's key" in text


def test_a_service_that_does_not_answer_is_one_sentence(
    free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"http://127.0.0.1:{free_port}", "--once"]) == 1
    assert capsys.readouterr().err == (
        f"no service answers at http://127.0.0.1:{free_port}: Connection refused\n"
    )


def test_a_reader_that_has_seen_enough_is_no_fault(free_port: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "signaling_service", "doctor", "--json", "--port", str(free_port)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["ftp://a"], "expected an address such as"),
        (["http://a:b"], "Port could not be cast"),
        (["--api-key-file", "/nowhere"], "the key cannot be read from /nowhere: No such file"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--once"]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("every", ["0", "nan", "x", "1e9"])
def test_a_pause_that_cannot_be_is_refused(every: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--every", every])
    assert caught.value.code == 2
    assert "expected seconds in 0.2..3600" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "<html>", "up 1\n", "p2pcamera_sessions{ 1\n"])
def test_what_another_program_answers_is_none_of_a_service(text: str) -> None:
    with pytest.raises(NoAnswer, match="what "):
        read(text)


def test_the_address_is_that_of_the_service_s_own_variables() -> None:
    assert own_url({}) == "http://127.0.0.1:7860"
    named = {"SIGNALING_HOST": "::", "SIGNALING_PORT": "443", "SIGNALING_SSL_CERTFILE": "a.pem"}
    assert own_url(named) == "https://[::1]:443"
    assert own_key({"SIGNALING_API_KEY": KEY}) == KEY
    assert Asking("cam.example.org/below/").url == "http://cam.example.org/below"


def samples(text: str, taken_s: float) -> Samples:
    return Samples(read(f"p2pcamera_sessions 1\n{text}").values, taken_s)


def test_rates_are_of_all_processes_together_and_survive_a_restart() -> None:
    name = "p2pcamera_frames_received_total"
    before = samples(f'{name}{{process="0"}} 100\n{name}{{process="1"}} 50\n', 10.0)
    now = samples(f'{name}{{process="0"}} 160\n{name}{{process="1"}} 90\n', 12.0)
    assert Change(before, now).rate(name) == 50
    assert Change(before, now).rate(name, process="1") == 20
    assert Change(now, samples(f'{name}{{process="0"}} 30\n', 13.0)).rate(name) == 30
    assert Change(now, now).rate(name) == 0
    assert Change(before, now).mean("p2pcamera_stage_seconds", stage="filter") is None


def test_nothing_that_a_worker_says_moves_the_cursor() -> None:
    info = 'p2pcamera_worker_info{worker="w1",device="\x1b[2Jcpu",p2pcamera="1"} 1\n'
    now = samples(info, 1.0)
    text = report.text(report.report("http://a", Change(now, now), [], "", ""))
    assert "?[2Jcpu" in text
    assert "\x1b" not in text
