from __future__ import annotations

import json
import os
from typing import Any

import pytest
from pydantic import Field

from inference_service.config import Settings, read_settings
from inference_service.filter_faults import faults_of_filters
from inference_service.filters import base
from shared import link_keys
from shared.run_dir import run_dir
from tests.inference_service.doubles import Point, Recorder, points


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in list(os.environ):
        if name.startswith("INFERENCE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def keys(tmp_path):
    link_keys.make(tmp_path)
    return tmp_path


def faults(capsys, *arguments):
    with pytest.raises(SystemExit) as raised:
        read_settings(arguments)
    assert raised.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_defaults_are_those_of_the_design():
    settings = read_settings([])
    assert settings.filters == ("ink",)
    assert settings.device == "auto"
    assert settings.signaling == (f"ipc://{run_dir(os.environ)}/results.ipc",)
    assert settings.frames == f"ipc://{run_dir(os.environ)}/worker-*.ipc"
    assert settings.link_keys is None
    assert settings.frames_advertise is None
    assert settings.max_batch == 32


def test_lists_are_separated_by_commas_without_repeats():
    settings = read_settings(["--filters", "a, b,,a", "--signaling", "ipc:///run/one.ipc,ipc:///run/two.ipc"])
    assert settings.filters == ("a", "b")
    assert settings.signaling == ("ipc:///run/one.ipc", "ipc:///run/two.ipc")


def test_every_flag_is_a_variable_as_well(monkeypatch, keys):
    values = {
        "filters": "invert",
        "device": "cpu",
        "signaling": "tcp://one:1",
        "frames_bind": "tcp://10.0.0.1:*",
        "frames_advertise": "tcp://worker:*",
        "link_keys": str(keys),
        "max_batch": "7",
        "max_wait_ms": "500.0",
        "hang_s": "30.0",
        "load_hang_s": "90.0",
        "filter_memory_mb": "4096",
        "weights_dir": "/somewhere/else",
        "no_kernels": "True",
        "filter_settings": '{"ink": {}}',
        "test_params": "True",
        "http_host": "10.0.0.1",
        "http_port": "9101",
        "log_level": "debug",
        "log_format": "json",
        "traces": "True",
    }
    assert set(values) == set(Settings.model_fields)
    for name, value in values.items():
        monkeypatch.setenv(f"INFERENCE_{name.upper()}", value)
    settings = read_settings([])
    for name, value in values.items():
        found = getattr(settings, name)
        if isinstance(found, dict):
            found = json.dumps(found)
        assert (",".join(found) if isinstance(found, tuple) else str(found)) == value


def test_a_flag_wins_over_its_variable(monkeypatch):
    monkeypatch.setenv("INFERENCE_MAX_BATCH", "7")
    assert read_settings(["--max-batch", "8"]).max_batch == 8


def test_an_empty_variable_means_the_default(monkeypatch):
    monkeypatch.setenv("INFERENCE_DEVICE", "")
    assert read_settings([]).device == "auto"


def test_settings_never_change():
    with pytest.raises(ValueError, match="frozen"):
        read_settings([]).device = "cpu"  # type: ignore[misc]


def test_all_faults_are_reported_at_once_by_flag_and_variable(capsys):
    lines = faults(capsys, "--device", "gpu", "--max-batch", "0", "--signaling", "nonsense")
    assert len(lines) == 3
    assert any(line.startswith("--device / INFERENCE_DEVICE: expected auto, cpu, cuda") for line in lines)
    assert any(line.startswith("--max-batch / INFERENCE_MAX_BATCH: ") for line in lines)
    assert any(line.startswith("--signaling / INFERENCE_SIGNALING: ") for line in lines)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_devices_that_are_understood(device):
    assert read_settings(["--device", device]).device == device


@pytest.mark.parametrize("device", ["cuda:", "cuda:x", "CPU", "mps", "cuda:-1", "cpu "])
def test_devices_that_are_refused(device, capsys):
    assert "INFERENCE_DEVICE" in faults(capsys, "--device", device)[0]


@pytest.mark.parametrize(
    "endpoint", [",", "tcp://*:5556", "tcp://0.0.0.0:5556", "tcp://host:*", "http://x:1"]
)
def test_a_signaling_endpoint_names_a_host_and_a_port(endpoint, capsys):
    assert "INFERENCE_SIGNALING" in faults(capsys, "--signaling", endpoint)[0]


@pytest.mark.parametrize("bind", ["tcp://*:*", "tcp://0.0.0.0:7000", "tcp://[::]:7000"])
def test_a_bind_to_every_address_needs_the_one_to_advertise(bind, capsys, keys):
    flags = ["--signaling", "tcp://one:1", "--link-keys", str(keys), "--frames-bind", bind]
    assert "INFERENCE_FRAMES_ADVERTISE" in faults(capsys, *flags)[0]
    assert read_settings([*flags, "--frames-advertise", "tcp://worker:*"]).frames_bind == bind


def test_an_advertised_endpoint_that_cannot_be_the_bound_one_is_refused(capsys):
    lines = faults(capsys, "--frames-advertise", "tcp://10.0.0.1:7000")
    assert "INFERENCE_FRAMES_ADVERTISE" in lines[0]


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"ink": 1}', "7"])
def test_settings_of_filters_are_an_object_of_objects(text, capsys):
    assert "--filter-settings / INFERENCE_FILTER_SETTINGS: " in faults(capsys, "--filter-settings", text)[0]


def test_settings_of_filters_are_checked_by_the_filters_own_model():
    class Choosy(Recorder):
        name = "choosy"

        class Settings(base.Settings):
            size: int = Field(1, ge=1)

    made = points(Choosy)
    good = read_settings(["--filter-settings", '{"choosy": {"size": 2}, "ink": {}}'])
    assert faults_of_filters(good, made) == []
    text = '{"choosy": {"size": 0, "other": 1}, "nope": {}, "ink": {"x": 1}}'
    lines = faults_of_filters(read_settings(["--filter-settings", text]), made)
    assert len(lines) == 4
    assert all(line.startswith("--filter-settings / INFERENCE_FILTER_SETTINGS: ") for line in lines)
    for part in ("no filter 'nope'", "choosy.size: ", "choosy.other: ", "ink.x: "):
        assert any(part in line for line in lines)


def test_a_filter_that_cannot_be_imported_is_named_with_its_settings():
    made: Any = {"broken": Point("broken", ImportError("no such module"))}
    settings = read_settings(["--filters", "broken", "--filter-settings", '{"broken": {}}'])
    (line,) = faults_of_filters(settings, made)
    assert "broken cannot be imported (ImportError: no such module)" in line


def test_an_unknown_flag_is_refused(capsys):
    assert "--unknown" in faults(capsys, "--unknown", "1")[-1]


def test_without_a_frames_endpoint_a_worker_takes_a_socket_beside_that_of_the_first_signaling():
    settings = read_settings(["--signaling", "ipc:///run/a/results.ipc,ipc:///run/b/results.ipc"])
    assert settings.frames == "ipc:///run/a/worker-*.ipc"


def test_tcp_needs_keys_the_loopbacks_too(capsys, keys):
    flags = ["--signaling", "tcp://127.0.0.1:5556", "--frames-bind", "tcp://127.0.0.1:*"]
    (line,) = faults(capsys, *flags)
    assert line.startswith("--link-keys / INFERENCE_LINK_KEYS: expected with tcp:// endpoints")
    settings = read_settings([*flags, "--link-keys", str(keys)])
    assert settings.keys == link_keys.load(keys, "worker")
    (keys / "service.public").unlink()
    (line,) = faults(capsys, *flags, "--link-keys", str(keys))
    assert line.startswith("--link-keys / INFERENCE_LINK_KEYS: ")
    assert "service.public" in line


@pytest.mark.parametrize(
    ("flags", "variable"),
    [
        (["--signaling", "tcp://one:1"], "INFERENCE_FRAMES_BIND"),
        (["--signaling", "tcp://one:1,ipc:///run/two.ipc"], "INFERENCE_SIGNALING"),
        (["--signaling", "tcp://one:1", "--frames-bind", "ipc:///run/a.ipc"], "INFERENCE_FRAMES_BIND"),
        (["--frames-bind", "tcp://127.0.0.1:*"], "INFERENCE_FRAMES_BIND"),
    ],
)
def test_frames_and_results_go_by_the_same_transport(flags, variable, capsys, keys):
    (line,) = faults(capsys, *flags, "--link-keys", str(keys))
    assert variable in line
