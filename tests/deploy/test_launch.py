"""What `make run` makes of its short names."""

from __future__ import annotations

import pytest

from deploy.launch import CannotLaunch, _environment
from signaling_service.config import Settings


def test_on_loopback_no_key_is_made() -> None:
    for given in ({}, {"HOST": "127.0.0.1"}, {"HOST": "localhost", "PORT": "8000"}):
        assert "SIGNALING_API_KEY" not in _environment(given)


def test_a_second_start_needs_another_port_and_no_other_name() -> None:
    one, other = (_environment({"P2PCAMERA_RUN_DIR": "/run/own", "PORT": port}) for port in ("8000", "8001"))
    assert one["SIGNALING_RESULTS_BIND"] == one["INFERENCE_SIGNALING"] == "ipc:///run/own/results-8000.ipc"
    assert (
        other["SIGNALING_RESULTS_BIND"] == other["INFERENCE_SIGNALING"] == "ipc:///run/own/results-8001.ipc"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_beyond_loopback_each_start_makes_a_key(host: str) -> None:
    keys = {_environment({"HOST": host})["SIGNALING_API_KEY"] for _ in range(3)}
    assert len(keys) == 3
    assert all(len(key) >= 32 for key in keys)
    assert Settings(host=host, api_key=keys.pop()).is_guarded


@pytest.mark.parametrize(
    "chosen",
    [{"SIGNALING_API_KEY": "own"}, {"SIGNALING_API_KEY_FILE": "/key"}, {"SIGNALING_OPEN": "true"}],
)
def test_what_somebody_has_chosen_stays(chosen: dict[str, str]) -> None:
    environment = _environment({"HOST": "0.0.0.0", **chosen})
    assert environment.get("SIGNALING_API_KEY") == chosen.get("SIGNALING_API_KEY")


@pytest.mark.parametrize(
    "given", [{"TLS": "yes"}, {"TLS": "selfsigned", "SIGNALING_SSL_CERTFILE": "/etc/fullchain.pem"}]
)
def test_a_certificate_that_cannot_be_meant_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(CannotLaunch, match=f"^TLS={given['TLS']}: expected"):
        _environment(given)
