from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared import link_keys
from shared.run_dir import run_dir
from signaling_service.config import Settings, read_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SIGNALING_"):
            monkeypatch.delenv(name)


def test_defaults_serve_this_machine_alone() -> None:
    settings = read_settings([])
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert settings.results_bind == f"ipc://{run_dir(os.environ)}/results.ipc"
    assert settings.link_keys is None
    assert settings.ice_servers == ()
    assert settings.default_filter == "ink"


def test_flags_are_read() -> None:
    settings = read_settings(
        [
            "--port",
            "8000",
            "--ice-addresses",
            "127.0.0.1, 10.77.0.1",
            "--max-sessions=3",
            "--api-key",
            "secret",
        ]
    )
    assert settings.port == 8000
    assert settings.ice_addresses == ("127.0.0.1", "10.77.0.1")
    assert (settings.max_sessions, settings.api_key) == (3, "secret")


def test_without_a_number_the_machine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, processes in ((0.5, 1), (2, 1), (3, 1), (4, 2), (16, 8), (256, 32)):
        monkeypatch.setattr("signaling_service.config.usable_cores", lambda cores=cores: float(cores))
        assert read_settings([]).processes == processes
    assert read_settings([]).max_sessions is None
    assert read_settings(["--processes", "3"]).processes == 3


def test_the_environment_is_read_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALING_PORT", "8001")
    monkeypatch.setenv("SIGNALING_ICE_ADDRESSES", "127.0.0.1")
    monkeypatch.setenv("SIGNALING_DEFAULT_FILTER", "invert")
    assert read_settings([]).port == 8001
    assert read_settings([]).ice_addresses == ("127.0.0.1",)
    settings = read_settings(["--port", "8002"])
    assert (settings.port, settings.default_filter) == (8002, "invert")


def test_where_media_is_reached_can_be_said() -> None:
    assert (read_settings([]).public_ip, read_settings([]).udp_ports) == (None, None)
    settings = read_settings(["--public-ip", "203.0.113.9", "--udp-port-range", "50000-50009"])
    assert settings.public_ip == "203.0.113.9"
    assert settings.udp_ports == range(50_000, 50_010)
    assert read_settings(["--udp-port", "65534", "--processes", "2"]).udp_port == 65_534
    assert read_settings(["--tcp-port", "443", "--udp-port", "7860"]).tcp_port == 443
    both = read_settings(["--public-ip", "203.0.113.9, 2001:db8::1"])
    assert both.public_addresses == ("203.0.113.9", "2001:db8::1")
    assert read_settings(["--public-ip", "2001:db8::1"]).public_addresses == ("2001:db8::1",)
    asking = read_settings(["--public-ip", "auto", "--ice-servers", "turn:a.example,stun:b.example"])
    assert asking.public_ip == "auto"
    assert [url for server in asking.ice_servers for url in server.stun_urls] == ["stun:b.example"]


def test_a_port_for_results_is_taken_with_keys(tmp_path: Path) -> None:
    link_keys.make(tmp_path)
    settings = read_settings(["--results-bind", "tcp://10.0.0.1:5556", "--link-keys", str(tmp_path)])
    assert settings.keys == link_keys.load(tmp_path, "service")
    assert Settings.model_validate(settings.model_dump(mode="json")).keys == settings.keys


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("stun:a.example:3478,turn:b.example", ["stun:a.example:3478", "turn:b.example"]),
        ('[{"urls": "turn:b.example", "secret": "s"}]', ["turn:b.example"]),
        ("", []),
    ],
)
def test_ice_servers_are_urls_or_json(text: str, urls: list[str]) -> None:
    assert [server.urls for server in read_settings(["--ice-servers", text]).ice_servers] == urls


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "0"], "--port / SIGNALING_PORT"),
        (["--port", "x"], "--port / SIGNALING_PORT"),
        (["--results-bind", "udp://a"], "--results-bind / SIGNALING_RESULTS_BIND"),
        (["--results-bind", "tcp://127.0.0.1:*"], "--results-bind / SIGNALING_RESULTS_BIND"),
        (["--results-bind", "ipc:///" + "x" * 107], "at most 107 bytes"),
        (["--results-bind", "tcp://127.0.0.1:5556"], "--link-keys / SIGNALING_LINK_KEYS: expected with"),
        (["--link-keys", "/no/such/folder"], "--link-keys / SIGNALING_LINK_KEYS: /no/such/folder/service"),
        (["--ice-addresses", "localhost"], "--ice-addresses / SIGNALING_ICE_ADDRESSES"),
        (["--ice-servers", "http://a"], "--ice-servers / SIGNALING_ICE_SERVERS"),
        (["--ice-servers", "[{]"], "--ice-servers / SIGNALING_ICE_SERVERS"),
        (["--processes", "0"], "--processes / SIGNALING_PROCESSES"),
        (["--processes", "33"], "--processes / SIGNALING_PROCESSES"),
        (["--public-ip", "auto"], "--public-ip / SIGNALING_PUBLIC_IP: auto needs a stun: server"),
        (["--public-ip", "auto", "--ice-servers", "turn:a"], "--public-ip / SIGNALING_PUBLIC_IP: auto needs"),
        (["--public-ip", "example.org"], "--public-ip / SIGNALING_PUBLIC_IP: 'example.org': expected"),
        (
            ["--public-ip", "1.2.3.4,5.6.7.8"],
            "--public-ip / SIGNALING_PUBLIC_IP: '1.2.3.4,5.6.7.8': expected",
        ),
        (["--public-ip", "1.2.3.4,::1"], "--public-ip / SIGNALING_PUBLIC_IP: '1.2.3.4,::1': no other host"),
        (["--public-ip", ","], "--public-ip / SIGNALING_PUBLIC_IP: ',': expected"),
        (["--udp-port", "80"], "--udp-port / SIGNALING_UDP_PORT"),
        (
            ["--udp-port", "5000", "--udp-port-range", "5000-5009"],
            "--udp-port / SIGNALING_UDP_PORT: expected",
        ),
        (["--udp-port", "65534", "--processes", "3"], "--udp-port / SIGNALING_UDP_PORT: 3 processes would"),
        (["--tcp-port", "0"], "--tcp-port / SIGNALING_TCP_PORT"),
        (["--tcp-port", "65534", "--processes", "3"], "--tcp-port / SIGNALING_TCP_PORT: 3 processes would"),
        (
            ["--tcp-port", "7859", "--processes", "2", "--port", "7860"],
            "--tcp-port / SIGNALING_TCP_PORT: expected without 7860",
        ),
        (["--public-ip", "0.0.0.0"], "--public-ip / SIGNALING_PUBLIC_IP: '0.0.0.0': no other host"),
        (["--udp-port-range", "1-2"], "--udp-port-range / SIGNALING_UDP_PORT_RANGE: '1-2': expected"),
        (["--udp-port-range", "50000"], "--udp-port-range / SIGNALING_UDP_PORT_RANGE: '50000': expected"),
        (["--udp-port-range", "50009-50000"], "--udp-port-range / SIGNALING_UDP_PORT_RANGE: '50009-5"),
        (["--udp-port-range", "50000-65536"], "--udp-port-range / SIGNALING_UDP_PORT_RANGE: '50000-6"),
        (["--udp-port-range", "-5-50000"], "--udp-port-range"),
        (["--ssl-certfile", "/no/such/file"], "--ssl-certfile / SIGNALING_SSL_CERTFILE"),
        (["--log-level", "loud"], "--log-level / SIGNALING_LOG_LEVEL"),
    ],
)
def test_a_fault_is_reported_by_its_names_at_start(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(arguments)
    assert caught.value.code == 2
    assert named in capsys.readouterr().err


def test_all_faults_are_reported_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_settings(["--port", "0", "--max-sessions", "0"])
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_faulty_variable_is_reported_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGNALING_MAX_SESSIONS", "many")
    with pytest.raises(SystemExit):
        read_settings([])
    assert "SIGNALING_MAX_SESSIONS" in capsys.readouterr().err


def test_an_unknown_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--colour", "red"])
    assert caught.value.code == 2
    assert "--colour" in capsys.readouterr().err


def test_a_certificate_needs_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = tmp_path / "fullchain.pem"
    certificate.write_text("x")
    with pytest.raises(SystemExit):
        read_settings(["--ssl-certfile", str(certificate)])
    assert "belong together" in capsys.readouterr().err


def test_settings_never_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.model_validate({}).port = 1  # type: ignore[misc]


def test_video_codecs_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings([]).video_codecs == ("h264", "vp8")
    assert read_settings(["--video-codecs", "vp8, h264"]).video_codecs == ("vp8", "h264")
    monkeypatch.setenv("SIGNALING_VIDEO_CODECS", "vp8")
    assert read_settings([]).video_codecs == ("vp8",)


@pytest.mark.parametrize("wrong", ["h265", "vp8,av1", ",", "vp8,vp8"])
def test_wrong_video_codecs_are_refused_by_name(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["--video-codecs", wrong])
    assert ended.value.code == 2
    assert "--video-codecs / SIGNALING_VIDEO_CODECS" in capsys.readouterr().err
