"""`doctor`: what it finds on a host, and of a service that runs there."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zmq

from harness.certificate import write_certificate
from harness.services import Services
from shared import binding
from signaling_service.config import Settings
from signaling_service.tools import host_checks, network_checks
from signaling_service.tools.doctor_command import main
from signaling_service.tools.finding import Finding, Level
from tests.signaling_service.making import WireWorker, served


def settings(results: str, **values: Any) -> Settings:
    return Settings(results_bind=results, **{"ice_addresses": ("127.0.0.1",), "processes": 1, **values})


def levels(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.what, one.level.value) for one in found]


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    """Return the worst line of each kind."""
    found: dict[str, dict[str, str]] = {}
    rank = [level.value for level in Level]
    for line in capsys.readouterr().out.splitlines():
        one = json.loads(line)
        known = found.get(one["what"])
        if known is None or rank.index(one["level"]) > rank.index(known["level"]):
            found[one["what"]] = one
    return found


async def test_a_service_without_a_worker_is_bad_and_with_one_it_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Services(tmp_path) as services:
        own = ["--port", str(services.port), "--results-bind", services.results, "--json"]
        services.start_signaling()
        await services.answers()
        assert await asyncio.to_thread(main, own) == 1
        told = said(capsys)
        assert told["http port"]["text"] == f"this service runs at 127.0.0.1, port {services.port}"
        assert told["service"]["level"] == "bad"
        assert "start a worker" in told["service"]["remedy"]

        failed = served("pose", state="failed", reason="needs the package x", remedy="pip install x")
        with WireWorker(services.results, filters=(served("ink", has_weights=False), failed)):
            await services.ready({"ink": 1})
            assert await asyncio.to_thread(main, own) == 0
        told = said(capsys)
        assert told["service"]["level"] == "ok"
        assert told["worker"]["text"] == "w1 on cpu"
        assert told["filters"] == {
            "what": "filters",
            "level": "warn",
            "text": "pose needs the package x",
            "remedy": "pip install x",
        }
        assert "download ink" in told["weights"]["remedy"]


def test_a_port_that_another_program_has_is_bad(free_port: int, results: str) -> None:
    mine = settings(results, port=free_port)
    assert network_checks.http_port(mine, is_running=False).level is Level.OK
    with socket.create_server(("127.0.0.1", free_port)):
        found = network_checks.http_port(mine, is_running=False)
    assert found.level is Level.BAD
    assert f"sport = :{free_port}" in found.remedy


def test_looking_at_the_link_takes_nothing_and_touches_no_running_service(results: str) -> None:
    mine = settings(results)
    folder = Path(results.removeprefix("ipc://")).parent
    assert network_checks.results_endpoint(mine, is_running=False).level is Level.OK
    assert not list(folder.iterdir())
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    mine_now = context.socket(zmq.SUB)
    bound = binding.bind(mine_now, results)
    try:
        found = network_checks.results_endpoint(mine, is_running=False)
        assert found.level is Level.BAD
        assert "--results-bind" in found.remedy
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(results.removeprefix("ipc://"))
    finally:
        context.destroy(linger=0)
        bound.release()


def test_udp_ports_that_are_taken_are_bad(results: str, free_udp_ports: Callable[[int], range]) -> None:
    ports = free_udp_ports(2)
    mine = settings(results, udp_port=ports[0], processes=2)
    of_range = settings(results, udp_port_range=f"{ports[0]}-{ports[-1]}")
    assert levels(network_checks.udp_ports(mine, is_running=False))[:2] == [
        ("addresses", "ok"),
        ("udp ports", "ok"),
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", ports[1]))
        _, found, *_ = network_checks.udp_ports(mine, is_running=False)
        assert (found.level, found.text) == (Level.BAD, f"UDP port {ports[1]} is taken")
        _, found = network_checks.udp_ports(of_range, is_running=False)
        assert found.text == "1 of 2 ports are free: so many further calls"


def test_a_certificate_is_read_and_its_end_is_told(results: str, tmp_path: Path) -> None:
    chain, key = write_certificate(tmp_path)
    mine = settings(results, ssl_certfile=chain, ssl_keyfile=key)
    found = network_checks.certificate(mine)
    assert found.level in (Level.OK, Level.WARN)
    assert "127.0.0.1" in found.text
    later = network_checks.certificate(mine, datetime.now(UTC) + timedelta(days=4000))
    assert (later.level, later.remedy) == (Level.BAD, "renew it")
    key.write_text("nothing")
    assert network_checks.certificate(mine).level is Level.BAD
    without = settings(results, host="0.0.0.0", open=True)
    assert network_checks.certificate(without).level is Level.WARN


def answering(code: int, text: str) -> host_checks.Run:
    def run(argv: Sequence[str], limit_s: float) -> tuple[int, str]:
        return code, text

    return run


def absent(argv: Sequence[str], limit_s: float) -> tuple[int, str]:
    raise FileNotFoundError(argv[0])


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (absent, [("gpu", "warn")]),
        (answering(9, "NVIDIA-SMI has failed"), [("gpu", "bad")]),
        (answering(0, ""), [("gpu", "warn")]),
        (
            answering(0, "NVIDIA H200, 580.65.06, 143771, 140000\nNVIDIA H200, 580.65.06, 143771, 9\n"),
            [("gpu", "ok"), ("gpu", "ok"), ("driver", "ok")],
        ),
        (answering(0, "Tesla V100, 535.1, 16384, 16000\n"), [("gpu", "ok"), ("driver", "warn")]),
        (answering(0, "Tesla K80, 470.1, 11441, 11000\n"), [("gpu", "ok"), ("driver", "bad")]),
        (answering(0, "Tesla K80, [N/A], 11441, 11000\n"), [("gpu", "ok"), ("driver", "warn")]),
    ],
)
def test_gpus_and_driver_are_those_that_the_driver_tells(
    run: host_checks.Run, expected: list[tuple[str, str]]
) -> None:
    assert levels(host_checks.gpus(run)) == expected


def test_weights_and_filters_are_those_that_a_worker_of_this_host_would_have() -> None:
    def obstacle(code: str, text: str) -> dict[str, str]:
        return {"code": code, "text": text, "remedy": "do this"}

    lines = [
        {"name": "ink", "obstacle": None, "weights": {}},
        {"name": "densepose", "obstacle": None, "weights": {"a.pkl": False}},
        {
            "name": "img2img",
            "obstacle": {"code": "needs_gpu", "text": "is slow", "remedy": "a GPU"},
            "weights": {},
        },
        {
            "name": "pose",
            "obstacle": {"code": "needs_package", "text": "needs x", "remedy": "pip"},
            "weights": {},
        },
        {"name": "plug", "error": "KeyError: 'a'"},
    ]
    found = list(host_checks.weights(answering(0, "\n".join(map(json.dumps, lines)))))
    assert found[0].text == "3 of 5 can be loaded by workers of this host"
    assert [one.text for one in found[1:]] == [
        "img2img is slow",
        "pose needs x",
        "plug cannot be used: KeyError: 'a'",
        "not here yet: densepose",
    ]
    assert levels(host_checks.weights(answering(1, "Traceback\nKeyError: 1"))) == [("filters", "bad")]


def test_a_setting_that_cannot_be_is_refused_as_at_a_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--port", "0"])
    assert caught.value.code == 2
    assert "--port / SIGNALING_PORT" in capsys.readouterr().err
