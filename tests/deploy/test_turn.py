"""What deploy/turn.sh tells coturn; tests/e2e/networks/test_turn.py is a call by it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.compose import BASE, ROOT, load
from tests.deploy.dockerfile import TURN, stages

SCRIPT = ROOT / "deploy" / "turn.sh"
SECRET = "0123456789abcdef"
LEAST = {"TURN_SECRET": SECRET, "TURN_PEERS": "203.0.113.9,2001:db8::9"}
SHOWN = """#!/bin/sh
echo "$@" >&2
cat "$2"
"""


def start(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Start it with a coturn that shows its arguments as an error, and the file with its settings."""
    turnserver = tmp_path / "turnserver"
    turnserver.write_text(SHOWN)
    turnserver.chmod(0o700)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", str(SCRIPT)],
        env={"PATH": path, "TURN_RUN_DIR": str(tmp_path), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_relay_reaches_the_service_and_nothing_else(tmp_path: Path) -> None:
    done = start(tmp_path, **LEAST)
    assert done.returncode == 0
    said = done.stdout.splitlines()
    peers = [line for line in said if "peer" in line]
    assert peers == [
        "denied-peer-ip=0.0.0.0-255.255.255.255",
        "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "allowed-peer-ip=203.0.113.9",
        "allowed-peer-ip=2001:db8::9",
        "no-multicast-peers",
    ]
    assert {"use-auth-secret", f"static-auth-secret={SECRET}", "no-tls", "no-cli"} <= set(said)


def test_the_secret_is_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    done = start(tmp_path, **LEAST)
    settings = tmp_path / "turnserver.conf"
    assert done.stderr.split() == ["-c", str(settings)]
    assert settings.stat().st_mode & 0o077 == 0


def test_a_certificate_brings_tls(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    env = {**LEAST, "TURN_CERTFILE": str(chain), "TURN_KEYFILE": str(key), "TURN_TLS_PORT": "443"}
    chain.touch()
    refused = start(tmp_path, **env)
    assert (refused.returncode, f"{key} of TURN_CERTFILE" in refused.stderr) == (2, True)
    key.touch()
    said = start(tmp_path, **env).stdout.splitlines()
    assert {f"cert={chain}", f"pkey={key}", "tls-listening-port=443"} <= set(said)
    assert "no-tls" not in said


@pytest.mark.parametrize(
    ("env", "fault"),
    [
        ({"TURN_SECRET": ""}, "TURN_SECRET is missing"),
        ({"TURN_SECRET": "short"}, "TURN_SECRET has less than 16"),
        ({"TURN_SECRET": f"{SECRET}\nallowed-peer-ip=10.0.0.1"}, "a value has a character"),
        ({"TURN_PEERS": ""}, "TURN_PEERS is missing"),
        ({"TURN_PEERS": "10.0.0.1 10.0.0.2"}, "a value has a character"),
        ({"TURN_KEYFILE": "/c/key.pem"}, "TURN_CERTFILE and TURN_KEYFILE belong together"),
        ({"TURN_CERTFILE": "/c/chain.pem"}, "TURN_CERTFILE and TURN_KEYFILE belong together"),
    ],
)
def test_what_is_wrong_is_said_by_name_and_nothing_is_started(
    tmp_path: Path, env: dict[str, str], fault: str
) -> None:
    done = start(tmp_path, **{**LEAST, **env})
    assert (done.returncode, done.stdout) == (2, "")
    assert fault in done.stderr
    assert SECRET not in done.stderr
    assert not (tmp_path / "turnserver.conf").exists()


def test_compose_starts_it_when_it_is_asked_to_and_hands_on_what_the_script_reads() -> None:
    turn = load(BASE)["services"]["turn"]
    assert turn["profiles"] == ["turn"]
    assert turn["user"] == stages(TURN)["0"].arguments("USER")[0]
    assert turn["network_mode"] == "host"
    assert (turn["cap_drop"], turn["read_only"]) == (["ALL"], True)
    read = set(re.findall(r"TURN_[A-Z_]+", SCRIPT.read_text()))
    assert set(turn["environment"]) == read - {"TURN_RUN_DIR"}
    assert set(turn["environment"].values()) == {None}
